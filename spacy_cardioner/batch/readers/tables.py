"""Notes from JSONL, CSV and TSV files, which may be compressed."""

from __future__ import annotations

import csv
import io
import json
import sys
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from spacy_cardioner.batch.readers.base import (
    BROKEN,
    Row,
    Source,
    SourceNote,
    choose,
    open_bytes,
    row_note,
    without_compression,
)
from spacy_cardioner.errors import CardionerError

DELIMITERS = "\t;,|"


class TableFiles(Source):
    """Files with a note in each record.

    The first record decides on the columns. Without an id column, the id of a note is the file name
    and the number of the record, from 1.

    RAISES (CardionerError): The columns cannot be chosen, or the first file cannot be read.
    """

    def __init__(
        self, name: str, files: Sequence[Path], text: str | None, note_id: str | None
    ) -> None:
        super().__init__(name, files)
        try:
            names = next(filter(None, map(self._names, files)), ())
        except BROKEN as error:
            raise CardionerError(f"{name}: cannot be read: {error}") from error
        self.columns = choose(name, names, text, note_id)

    @abstractmethod
    def _rows(self, path: Path) -> Iterator[Row | str]:
        """The records of a file, or why a record cannot be read."""

    def _names(self, path: Path) -> Sequence[str]:
        """The columns of the first good record, none if there is no record."""
        return next((list(row) for row in self._rows(path) if not isinstance(row, str)), ())

    def after(self, count: int) -> Iterator[SourceNote]:
        """The notes after the first `count`."""
        return islice(self._notes(), count, None)

    def _notes(self) -> Iterator[SourceNote]:
        for path in self.files:
            stem = without_compression(path.name).rpartition(".")[0]
            try:
                for number, row in enumerate(self._rows(path), start=1):
                    yield row_note(self.columns, f"{stem}-{number}", row)
            except BROKEN as error:
                raise CardionerError(f"{path}: cannot be read: {error}") from error


class JsonLines(TableFiles):
    """JSONL: a JSON object in each line that is not empty."""

    def _rows(self, path: Path) -> Iterator[Row | str]:
        with open_bytes(path) as stream:
            for number, line in enumerate(stream):
                if number == 0:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                if line.strip():
                    yield _json_row(line)


class Delimited(TableFiles):
    """CSV or TSV with a header.

    The delimiter is the most frequent of tab, semicolon, comma and bar in the header.
    """

    def _rows(self, path: Path) -> Iterator[Row | str]:
        with _opened(path) as (names, records):
            while True:
                try:
                    record = next(records, None)
                except csv.Error as error:
                    yield f"not CSV: {error}"
                    continue
                if record is None:
                    return
                if len(record) == len(names):
                    yield dict(zip(names, record, strict=True))
                elif record:
                    yield f"{len(record)} columns instead of {len(names)}"

    def _names(self, path: Path) -> Sequence[str]:
        with _opened(path) as (names, _):
            return names


@contextmanager
def _opened(path: Path) -> Iterator[tuple[list[str], Iterator[list[str]]]]:
    """Header and records. Bytes that are not UTF-8 become surrogates, a fault of their note."""
    limit = csv.field_size_limit(sys.maxsize)  # of the whole process
    try:
        with (
            open_bytes(path) as data,
            io.TextIOWrapper(data, "utf-8-sig", "surrogateescape", newline="") as stream,
        ):
            header = stream.readline()
            delimiter = max(DELIMITERS, key=header.count)
            names = next(csv.reader([header], delimiter=delimiter), [])
            yield names, csv.reader(stream, delimiter=delimiter)
    finally:
        csv.field_size_limit(limit)


def _json_row(line: bytes) -> Row | str:
    try:
        row = json.loads(line)
    except UnicodeDecodeError:
        return "not UTF-8"
    except (ValueError, RecursionError) as error:
        return f"not JSON ({type(error).__name__})"
    return row if isinstance(row, dict) else "not a JSON object"
