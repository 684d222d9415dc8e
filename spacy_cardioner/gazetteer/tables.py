"""Tables of registries, read line by line, with their encoding, delimiter and header detected.

Only one line at a time is in memory, so a file may have any size.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from spacy_cardioner.errors import CardionerError, shown
from spacy_cardioner.gazetteer.names import TERM, Name, fault_of
from spacy_cardioner.gazetteer.normalise import fold
from spacy_cardioner.texts import opened

DELIMITERS = {";": "semicolons", ",": "commas", "\t": "tabs", "|": "bars"}
# A header is one of the first lines.
HEADER_LINES = 3
MAX_LINE = 1 << 20
MAX_CELL = 1 << 17
HEAD = 1 << 16


class Row(NamedTuple):
    """A row of a table, with the number of its last line."""

    path: Path
    line: int
    cells: dict[str, str]

    def error(self, message: str) -> CardionerError:
        """Make an error that names the line."""
        return CardionerError(f"{self.path}:{self.line}: {message}")

    def term(
        self, text: str, code: str, source: str, lang: str = "", preferred: bool = True
    ) -> Name:
        """Make a term of a vocabulary. RAISES (CardionerError): It is no name, or no code."""
        if fault := fault_of(text):
            raise self.error(f"{shown(text)} is not a name: {fault}")
        if len(code.split()) != 1:
            raise self.error(f"{shown(code)} is not a code: it is empty or has spaces")
        return Name(text, TERM, source, code, lang, code, preferred=preferred)


@dataclass(frozen=True)
class Table:
    """The format of a table.

    delimiters (str): The characters that may delimit its columns.
    columns (Mapping[str, str]): For each field the header of its column, folded.
    quoting (int): Whether cells may be in quotation marks, as in `csv.reader`.
    optional (Sequence[str]): Fields whose column may be missing.
    unique (Sequence[str]): Fields whose values together identify a row.
    header (Sequence[str]): The header, for a file that has none.
    first_line (re.Pattern[str] | None): The first line of a file without a header.
    """

    title: str
    delimiters: str
    columns: Mapping[str, str]
    names: Callable[[Iterable[Row]], Iterator[Name]]
    quoting: Literal[0, 1, 2, 3] = csv.QUOTE_MINIMAL
    optional: Sequence[str] = ()
    unique: Sequence[str] = ()
    header: Sequence[str] = ()
    first_line: re.Pattern[str] | None = None

    def recognises(self, head: Sequence[str]) -> bool:
        """Whether these are the first lines of such a file, whatever its delimiter."""
        return self._delimiter(head) is not None

    def read(self, path: Path) -> Iterator[Name]:
        """Read the names of a file.

        RAISES (CardionerError): The file is not this table, or a row is too short or repeated.
        """
        return self.names(self._rows(path))

    def _rows(self, path: Path) -> Iterator[Row]:
        """The rows below the header."""
        ids: dict[str, int] = {}
        places, width = self._places(self.header)
        for line, cells in self._cells(path):
            if not places:
                places, width = self._places(cells)
                continue
            row = Row(path, line, dict.fromkeys(self.columns, ""))
            if len(cells) < width:
                raise row.error(
                    f"{len(cells)} columns instead of at least {width}; the file may be "
                    "truncated: download it again, or fix the line"
                )
            row.cells.update((f, cells[i].strip()) for f, i in places.items() if i < len(cells))
            if self.unique:
                name = "/".join(row.cells[field] for field in self.unique)
                check_unique(ids, name, line, path)
            yield row

    def _cells(self, path: Path) -> Iterator[tuple[int, list[str]]]:
        head = read_head(path)
        delimiter = self._delimiter(head)
        if delimiter is None:
            wanted = ", ".join(t for f, t in self.columns.items() if f not in self.optional)
            expected = "the first line does not have" if self.header else "there is no header with"
            raise CardionerError(f"{path}: not {self.title}: {expected} the columns {wanted}")
        if delimiter not in self.delimiters:
            wanted = " or ".join(DELIMITERS[sign] for sign in self.delimiters)
            raise CardionerError(
                f"{path}: columns are delimited by {DELIMITERS[delimiter]}, but {self.title} uses "
                f"{wanted}"
            )
        csv.field_size_limit(MAX_CELL)  # of the process: other readers change it
        reader = csv.reader(read_lines(path), delimiter=delimiter, quoting=self.quoting)
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield reader.line_num, cells
        except csv.Error as error:
            raise CardionerError(
                f"{path}:{reader.line_num}: a cell is too long ({error}); a quotation mark before "
                "it may not be closed"
            ) from error

    def _delimiter(self, head: Sequence[str]) -> str | None:
        """The delimiter, which may be an unexpected one, or None for lines of another table."""
        if self.first_line:
            matches = head and self.first_line.match(head[0].rstrip("\r\n"))
            return self.delimiters[0] if matches else None
        for delimiter in dict.fromkeys((*self.delimiters, *DELIMITERS)):
            with suppress(csv.Error):
                rows = csv.reader(head, delimiter=delimiter, quoting=self.quoting)
                if any(self._places(cells)[0] for cells in islice(rows, HEADER_LINES)):
                    return delimiter
        return None

    def _places(self, header: Sequence[str]) -> tuple[dict[str, int], int]:
        """The index of the column of each field, and the minimal number of columns in a row.

        Without indices if this is not the header. Tables with optional columns are written by
        users, whose editors may drop empty cells at the end.
        """
        titles = [" ".join(fold(cell).split()) for cell in header]
        found = {f: titles.index(t) for f, t in self.columns.items() if t in titles}
        required = {f: i for f, i in found.items() if f not in self.optional}
        if len(required) < len(self.columns) - len(self.optional):
            return {}, 0
        filled = [i for i, title in enumerate(titles) if title]
        return found, max(required.values() if self.optional else filled) + 1


def check_unique(
    seen: dict[str, int], name: str, place: int, path: Path, unit: str = "line"
) -> None:
    """Add an id to those seen in a file, with the number of its line, or entry in XML.

    RAISES (CardionerError): The file has the id twice.
    """
    first = seen.setdefault(name, place)
    if first != place:
        where = f"{path}:{place}" if unit == "line" else f"{path}"
        raise CardionerError(
            f"{where}: the id {shown(name)} occurs twice, in {unit} {first} and {unit} {place}; "
            "two files may have been joined: download the file again, or delete one"
        )


def read_head(path: Path) -> list[str]:
    """Read the first lines of a file.

    RAISES (CardionerError): The file cannot be read, is empty, or is not text.
    """
    with opened(path) as stream:
        raw = stream.read(HEAD)
    if not raw.strip():
        raise CardionerError(f"{path}: the file is empty; download it again")
    if b"\0" in raw:
        raise CardionerError(f"{path}: not a text file; unpack it first")
    return [_decode(line) for line in raw.splitlines(keepends=True)]


def read_lines(path: Path) -> Iterator[str]:
    """Read the lines of a file, which may be compressed, each in its own encoding.

    RAISES (CardionerError): The file cannot be read, or is not text.
    """
    with opened(path) as stream:
        number = 0
        while raw := stream.readline(MAX_LINE):
            number += 1
            if len(raw) == MAX_LINE or b"\0" in raw:
                raise CardionerError(f"{path}:{number}: not a text file; unpack it first")
            yield _decode(raw)


def _decode(raw: bytes) -> str:
    """Decode a line. Some registries mix encodings within a file."""
    for encoding in ("utf-8-sig", "cp1252"):
        with suppress(UnicodeDecodeError):
            return raw.decode(encoding)
    return raw.decode("latin-1")
