"""Registries' tables line by line: encodings and headers by content, faults with their line.

Nothing here holds more than one line, so that a file may be of any size.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.gazetteer.normalise import fold

SEPARATORS = {";": "semicolons", ",": "commas", "\t": "tabs", "|": "bars"}
HEADER_LINES = 3
MAX_LINE = 1 << 20
HEAD = 1 << 16


class RegistryError(CardionerError):
    """A registry's file is at fault. The message starts with ``path:line:`` or ``path:``."""


class Layout(NamedTuple):
    """How a registry's table looks.

    separators (str): What parts the columns: one of these signs.
    columns (Mapping[str, str]): For each field the title of its column, folded.
    quoted (bool): Whether cells may stand in quotation marks.
    optional (tuple[str, ...]): Fields whose column may be missing.
    """

    separators: str
    columns: Mapping[str, str]
    quoted: bool = True
    optional: tuple[str, ...] = ()


class Row(NamedTuple):
    """One line of a table: the number of the line it ends on, and its fields."""

    line: int
    cells: dict[str, str]


def read_lines(path: Path) -> Iterator[str]:
    """Give back the lines of a file in UTF-8, or in Latin-1 as Windows has it, with their ends.

    Each line is looked at by itself, because some registries mix the two.

    RAISES (RegistryError): The file cannot be read, is empty, or is no text.
    """
    with opened(path) as stream:
        number = 0
        while raw := stream.readline(MAX_LINE):
            number += 1
            if len(raw) == MAX_LINE or b"\0" in raw:
                raise RegistryError(f"{path}:{number}: this is no text; unpack the file first")
            yield _decode(raw[3:] if number == 1 and raw.startswith(b"\xef\xbb\xbf") else raw)
    if not number:
        raise RegistryError(f"{path}: the file is empty; download it again")


def read_head(path: Path) -> list[str]:
    """Give back a file's first lines, to see what it is.

    RAISES (RegistryError): The file cannot be read, is empty, or is no text.
    """
    with opened(path) as stream:
        raw = stream.read(HEAD)
    if not raw.strip():
        raise RegistryError(f"{path}: the file is empty; download it again")
    if b"\0" in raw:
        raise RegistryError(f"{path}: this is no text; unpack the file first")
    lines = raw.removeprefix(b"\xef\xbb\xbf").splitlines(keepends=True)
    return [_decode(line) for line in lines]


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file to read its bytes; what the system says against it becomes a message."""
    try:
        with path.open("rb") as stream:
            yield stream
    except OSError as error:
        raise RegistryError(f"{path}: cannot be read ({error.strerror})") from error


def _decode(raw: bytes) -> str:
    for encoding in ("utf-8", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def read_cells(path: Path, separator: str, quoted: bool = True) -> Iterator[tuple[int, list[str]]]:
    """Give back the rows of a table with the number of the line that each ends on.

    RAISES (RegistryError): A quotation mark that is never closed, and all of `read_lines`.
    """
    reader = _reader(read_lines(path), separator, quoted)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise RegistryError(
                f"{path}:{reader.line_num}: a cell is too long ({error}); a quotation mark before "
                "it may lack its partner"
            ) from error
        if any(cell.strip() for cell in cells):
            yield reader.line_num, cells


def _reader(lines: Iterable[str], separator: str, quoted: bool) -> Any:
    if quoted:
        return csv.reader(lines, delimiter=separator)
    return csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE)


def read_table(path: Path, layout: Layout, title: str) -> Iterator[Row]:
    """Give back the rows of a table that has a header among its first lines.

    path (Path): The file.
    layout (Layout): Its separator and columns. Further columns are left alone.
    title (str): What the file should be, for messages.
    RETURNS (Iterator[Row]): The rows below the header.
    RAISES (RegistryError): No such header, another separator, or a row that is too short.
    """
    head = read_head(path)
    separator = find_separator(head, layout)
    if separator is None:
        wanted = ", ".join(layout.columns[f] for f in layout.columns if f not in layout.optional)
        raise RegistryError(
            f"{path}: this is not {title}: none of its first lines has the columns {wanted}"
        )
    if separator not in layout.separators:
        wanted = " or ".join(SEPARATORS[sign] for sign in layout.separators)
        raise RegistryError(
            f"{path}: its columns are parted by {SEPARATORS[separator]}, where {title} has {wanted}"
        )
    places: dict[str, int] = {}
    width = 0
    for line, cells in read_cells(path, separator, layout.quoted):
        if not places:
            places = find_columns(cells, layout) or {}
            width = _width(cells, places, layout)
            continue
        if len(cells) < width:
            raise RegistryError(
                f"{path}:{line}: {len(cells)} columns, where there should be at least {width}; the "
                "file may be cut off: download it again, or mend the line"
            )
        fields = {f: cells[place] if place < len(cells) else "" for f, place in places.items()}
        yield Row(line, {field: cell.strip() for field, cell in fields.items()})


def _width(header: list[str], places: dict[str, int], layout: Layout) -> int:
    """How many columns a row must have: all with a title, or all that are asked for.

    Tables with optional columns are people's own, whose editors leave out empty cells at the end.
    """
    if layout.optional:
        return max((p for f, p in places.items() if f not in layout.optional), default=-1) + 1
    return max((place for place, title in enumerate(header) if title.strip()), default=-1) + 1


def find_columns(cells: list[str], layout: Layout) -> dict[str, int] | None:
    """Find where the fields of a layout are, or None where these cells are not its header."""
    titles = [" ".join(fold(cell).split()) for cell in cells]
    if missing := [f for f in layout.columns if layout.columns[f] not in titles]:
        if not set(missing) <= set(layout.optional):
            return None
    return {f: titles.index(t) for f, t in layout.columns.items() if t in titles}


def find_separator(head: list[str], layout: Layout) -> str | None:
    """Find out what parts the columns of a table, be it what it should be or not.

    head (list[str]): The first lines of a file.
    layout (Layout): The columns to look for.
    RETURNS (Optional[str]): The sign; None where no line is the header of this layout.
    """
    for separator in dict.fromkeys((*layout.separators, *SEPARATORS)):
        rows = _reader(head, separator, layout.quoted)
        try:
            if any(find_columns(cells, layout) for cells in islice(rows, HEADER_LINES)):
                return separator
        except csv.Error:
            continue
    return None


class Ids:
    """The ids of a file, each of which must occur once.

    path (Path): The file.
    unit (str): What ids are counted by: "line", or "entry" where lines mean nothing.
    """

    def __init__(self, path: Path, unit: str = "line") -> None:
        self.path = path
        self.unit = unit
        self._places: dict[str, int] = {}

    def add(self, name: str, place: int) -> None:
        """Remember an id.

        RAISES (RegistryError): It occurred before.
        """
        first = self._places.setdefault(name, place)
        if first != place:
            where = f"{self.path}:{place}" if self.unit == "line" else f"{self.path}"
            raise RegistryError(
                f"{where}: the id {name} occurs twice, in {self.unit} {first} and {self.unit} "
                f"{place}; two files may have been joined: download the file again, or delete one"
            )
