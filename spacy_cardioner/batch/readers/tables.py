"""Notes from JSONL, CSV and TSV files, which may be compressed, or from a pipe."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from spacy_cardioner.batch.readers.base import FileSource, Unreadable, not_again
from spacy_cardioner.batch.readers.columns import GUESSED, Row, Wanted, choose, lacks, row_note
from spacy_cardioner.batch.readers.delimited import read_delimited
from spacy_cardioner.batch.readers.note import MAX_CHARACTERS, SourceNote
from spacy_cardioner.errors import CardionerError, plain
from spacy_cardioner.texts import (
    BROKEN,
    UTF_8,
    damage,
    json_rows,
    open_bytes,
    without_compression,
)

# A character of a text may be 12 of a line (JSON's escapes); other columns may be as long as this.
ESCAPED = 12
OTHER_COLUMNS = 1 << 20


class Table(NamedTuple):
    """An open file.

    names (Sequence[str]): Its columns; none if it is empty.
    rows (Iterator[tuple[str, Row | str]]): What messages call each record, and the record or why it
        cannot be read.
    """

    names: Sequence[str]
    rows: Iterator[tuple[str, Row | str]]


class TableFiles(FileSource):
    """Files with a note in each record.

    The first file with a record decides on the columns. Without an id column, the id of a note is
    the path of the file without its ending, and the number of the record, from 1.

    max_characters (int): Most characters of a note. Longer lines are read, up to about 12 times.
    encoding (str): Of CSV and TSV.
    pipe (bool): The only file is a pipe, which is opened once.
    RAISES (CardionerError): The columns cannot be chosen, or no file can be read.
    """

    # Whether all records of a file have the columns of the first one.
    has_header: ClassVar[bool]
    # Whether its bytes may have another encoding than UTF-8.
    any_encoding: ClassVar[bool]

    def __init__(
        self,
        name: str,
        folder: Path,
        names: Sequence[str],
        wanted: Wanted = GUESSED,
        max_characters: int = MAX_CHARACTERS,
        encoding: str = UTF_8,
        *,
        pipe: bool = False,
    ) -> None:
        super().__init__(name, folder, names)
        self.longest = ESCAPED * max_characters + OTHER_COLUMNS
        self.encoding = encoding
        self.pipe = pipe
        self._opened: Table | None = None
        self.columns = choose(name, self._first_names(), wanted)

    @abstractmethod
    def open_table(self, path: Path) -> Table:
        """Open a file. RAISES: Unreadable or an error in `BROKEN`."""

    def stem(self, file: str) -> str:
        """The path without its ending."""
        bare = without_compression(file)
        return "stdin" if file.startswith("/dev/") else bare.rpartition(".")[0] or bare

    def _first_names(self) -> Sequence[str]:
        """The columns of the first file that has any. A pipe is kept open."""
        why = ""
        for path in self.files:
            try:
                table = self.open_table(path)
            except (Unreadable, *BROKEN) as error:
                fault = str(error) if isinstance(error, Unreadable) else damage(error)
                why = why or f"{path}: cannot be read: {fault}"
                continue
            if table.names:
                self._opened = table if self.pipe else None
                return table.names
        if why:
            raise CardionerError(why)
        return ()

    def after(self, count: int) -> Iterator[SourceNote]:
        """The notes after the first `count`. RAISES (CardionerError): It is a pipe, read before."""
        if self.pipe and (count or self._opened is None):
            raise not_again(self.name)
        return super().after(count)

    def notes_of(self, file: str, path: Path) -> Iterator[SourceNote]:
        """The notes of a file."""
        names, rows = self._opened or self.open_table(path)
        self._opened = None
        if self.has_header and names and (fault := lacks(names, self.columns)):
            raise Unreadable(fault)
        stem = self.stem(file)
        encoding = self.encoding if self.any_encoding else None
        for number, (called, row) in enumerate(rows, start=1):
            place = f"{plain(file)}, {called}"
            yield row_note(self.columns, place, f"{stem}-{number}", row, encoding)

    def describe(self) -> dict[str, Any]:
        """Identify the files. RAISES (CardionerError): It is a pipe."""
        if self.pipe:
            raise not_again(self.name)
        return super().describe()


class JsonLines(TableFiles):
    """JSONL: a JSON object in each line that is not empty."""

    has_header = False
    any_encoding = False

    def open_table(self, path: Path) -> Table:
        """Open a file, and read up to the first good record for its columns."""
        rows, first = self._rows(path), []
        for called, row in rows:
            first.append((called, row))
            if not isinstance(row, str):
                return Table(list(row), chain(first, rows))
        return Table((), iter(first))

    def _rows(self, path: Path) -> Iterator[tuple[str, Row | str]]:
        with open_bytes(path) as stream:
            for number, row, fault in json_rows(stream, self.longest):
                good = isinstance(row, dict)
                yield f"line {number}", row if good else fault or "not a JSON object"


class Delimited(TableFiles):
    """CSV or TSV with a header, see `read_delimited`.

    Files are read to their end before the first note is given: a wrong quote makes all that follows
    uncertain, so that it is an error.
    """

    has_header = True
    any_encoding = True

    def __init__(self, name: str, *options: Any, pipe: bool = False) -> None:
        super().__init__(name, *options, pipe=pipe)
        if not pipe:
            self.total = sum(1 for _ in self)

    def open_table(self, path: Path) -> Table:
        """Open a file, and read its header."""
        rows = read_delimited(path, self.longest, self.encoding)
        names = next(rows)
        return Table(names, ((f"row {number}", row) for number, row in enumerate(rows, start=1)))
