"""Notes from JSONL, CSV and TSV files: a line or a row a note. Compressed ones too."""

from __future__ import annotations

import csv
import io
import json
import sys
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spacy_cardioner.batch.readers.base import (
    BROKEN,
    Source,
    SourceNote,
    checked,
    describe_files,
    open_bytes,
    without_compression,
)
from spacy_cardioner.batch.readers.columns import Columns, choose
from spacy_cardioner.errors import CardionerError

DELIMITERS = "\t;,|"

Row = Mapping[str, Any]


class TableFiles(Source):
    """Files with a note in each record.

    The columns are chosen by the first record. A note without an id column is called by its file
    and the number of its record, from 1 on.

    name (str): What the person called it.
    files (Sequence[Path]): The files, in the order of reading.
    text, note_id (str | None): The columns asked for.
    RAISES (CardionerError): The columns cannot be chosen, or the first file cannot be read.
    """

    def __init__(
        self,
        name: str,
        files: Sequence[Path],
        *,
        text: str | None = None,
        note_id: str | None = None,
    ) -> None:
        self.name = name
        self.files = files
        self.columns = self._choose(text, note_id)
        self.choices = self.columns.guessed

    @abstractmethod
    def rows(self, path: Path) -> Iterator[Row | str]:
        """The records of a file; of one that cannot be read, the reason."""

    @abstractmethod
    def names(self, path: Path) -> Sequence[str]:
        """The columns of a file, none where it is empty."""

    def _choose(self, text: str | None, note_id: str | None) -> Columns:
        try:
            names = next(filter(None, map(self.names, self.files)), ())
        except BROKEN as error:
            raise CardionerError(f"{self.name}: cannot be read: {error}") from error
        return choose(self.name, names, text, note_id)

    def __iter__(self) -> Iterator[SourceNote]:
        for path in self.files:
            stem = without_compression(path.name).rpartition(".")[0]
            try:
                for number, row in enumerate(self.rows(path), start=1):
                    yield self._note(f"{stem}-{number}", row)
            except BROKEN as error:
                raise CardionerError(f"{path}: cannot be read: {error}") from error

    def _note(self, place: str, row: Row | str) -> SourceNote:
        if isinstance(row, str):
            return SourceNote(place, "", row)
        note_id = place
        if self.columns.id is not None:
            named = row.get(self.columns.id)
            if named is None or named == "":
                return SourceNote(place, "", f"no id in the column {self.columns.id}")
            named = checked(place, str(named))
            if named.fault:
                return SourceNote(place, "", f"its id: {named.fault}")
            note_id = named.text
        if self.columns.text not in row:
            return SourceNote(note_id, "", f"no column {self.columns.text}")
        return checked(note_id, row[self.columns.text])

    def describe(self) -> dict[str, Any]:
        """What it is, to know it again."""
        return describe_files(self.name, self.files)

    def paths(self) -> Iterator[Path]:
        """The files that are read."""
        return iter(self.files)


class JsonLines(TableFiles):
    """One JSON object a line. Empty lines are no notes."""

    def rows(self, path: Path) -> Iterator[Row | str]:
        """The records of a file."""
        with open_bytes(path) as stream:
            for number, line in enumerate(stream):
                if number == 0:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                if line.strip():
                    yield _json_row(line)

    def names(self, path: Path) -> Sequence[str]:
        """The fields of the first good line."""
        return next((list(row) for row in self.rows(path) if not isinstance(row, str)), ())


class Delimited(TableFiles):
    """CSV or TSV with a header, quoted as spreadsheets and databases do.

    The first line's most frequent out of tab, semicolon, comma and bar parts the columns.
    """

    def rows(self, path: Path) -> Iterator[Row | str]:
        """The records of a file."""
        with _opened(path) as (names, records):
            while (record := _next(records)) is not None:
                if isinstance(record, str):
                    yield record
                elif len(record) == len(names):
                    yield dict(zip(names, record, strict=True))
                elif record:
                    yield f"{len(record)} columns instead of {len(names)}"

    def names(self, path: Path) -> Sequence[str]:
        """The columns of the header."""
        with _opened(path) as (names, _):
            return names


@contextmanager
def _opened(path: Path) -> Iterator[tuple[list[str], Iterator[list[str]]]]:
    """The header of a file and its records. Bytes that are no UTF-8 become surrogates, which the
    check of their own note finds.
    """
    # The limit holds for the whole process: others want theirs back.
    limit = csv.field_size_limit(sys.maxsize)
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


def _next(records: Iterator[list[str]]) -> list[str] | str | None:
    try:
        return next(records, None)
    except csv.Error as error:
        return f"not CSV: {error}"


def _json_row(line: bytes) -> Row | str:
    try:
        row = json.loads(line)
    except UnicodeDecodeError:
        return "not UTF-8"
    except (ValueError, RecursionError) as error:
        return f"not JSON ({type(error).__name__})"
    return row if isinstance(row, dict) else "not a JSON object"
