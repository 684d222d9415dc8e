"""Notes and their sources, the columns of tables, and files that may be compressed."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from spacy_cardioner.errors import CardionerError, shown
from spacy_cardioner.files import checksum

OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
# Errors of reading a damaged file.
BROKEN = (OSError, EOFError, lzma.LZMAError, zlib.error)
EMPTY = "empty"

# Most likely first. The first of each is the name in the OMOP common data model.
TEXT_NAMES = ("note_text", "text", "texto", "testo", "note", "nota", "report", "content", "body")
ID_NAMES = (
    "note_id", "id", "row_id", "doc_id", "document_id", "hadm_id", "filename", "file", "name",
)  # fmt: skip

Row = Mapping[str, Any]


class SourceNote(NamedTuple):
    """A note as it was read.

    id (str): Its file name without ``.txt``, or its value in the id column.
    text (str): Its text, "" if it has a fault.
    fault (str): Why it cannot be annotated, without any of its text; "" for a good note.
    place (str): Where it was read, for messages: a file, with the row of a table.
    """

    id: str
    text: str
    fault: str = ""
    place: str = ""

    @property
    def called(self) -> str:
        """What messages call the note: its place, as ids are patients' data too."""
        return self.place or f"the note {shown(self.id)}"


class Columns(NamedTuple):
    """The columns of the texts and of the ids.

    id (str | None): None numbers the notes.
    guessed (tuple[str, ...]): Messages to the user about the guesses.
    """

    text: str
    id: str | None
    guessed: tuple[str, ...] = ()


class Source(ABC):
    """Yields notes lazily, always in the same order.

    A note that cannot be read is yielded with its fault, so that positions never change.

    name (str): Its name for messages and records.
    files (Sequence[Path]): The files that it reads, in this order. No output may replace them.
    """

    columns = Columns("", None)
    total: int | None = None  # the number of notes, if known

    def __init__(self, name: str, files: Sequence[Path] = ()) -> None:
        self.name = name
        self.files = files

    def __iter__(self) -> Iterator[SourceNote]:
        return self.after(0)

    @abstractmethod
    def after(self, count: int) -> Iterator[SourceNote]:
        """The notes after the first `count`."""

    def describe(self) -> dict[str, Any]:
        """Identify the source by its files, to resume a run only on the same notes.

        RETURNS (dict[str, Any]): Number, bytes and SHA-256 of the files: for several, of the list
            of their checksums.
        """
        if not self.files:
            return {"input": self.name}
        sums = [(checksum(path), path.name) for path in self.files]
        listed = "".join(f"{value}  {name}\n" for value, name in sums)
        digest = hashlib.sha256(listed.encode("utf-8", "surrogateescape")).hexdigest()
        return {
            "input": self.name,
            "files": len(sums),
            "bytes": sum(path.stat().st_size for path in self.files),
            "sha256": sums[0][0] if len(sums) == 1 else digest,
        }


def choose(
    where: str,
    names: Sequence[str],
    text: str | None = None,
    note_id: str | None = None,
    *,
    needs_id: bool = False,
) -> Columns:
    """Choose the given columns, and guess the others by name.

    where (str): The table, for messages.
    needs_id (bool): The rows have no order, so they cannot be numbered.
    RAISES (CardionerError): There is no such column, or no likely column.
    """
    have = f"the columns are: {', '.join(map(str, names)) or 'none'}"
    for option, wanted in (("--text-column", text), ("--id-column", note_id)):
        if wanted is not None and wanted not in names:
            raise CardionerError(f"{where}: no column {wanted} ({option}); {have}")
    guessed = []
    if text is None:
        text = _first(TEXT_NAMES, names)
        if text is None:
            raise CardionerError(f"{where}: which column has the texts (--text-column)? {have}")
        guessed.append(f"texts are read from the column {text} (--text-column)")
    if note_id is None:
        note_id = _first(ID_NAMES, [name for name in names if name != text])
        if note_id is None and needs_id:
            raise CardionerError(f"{where}: needs a column of ids (--id-column); {have}")
        called = f"from the column {note_id}" if note_id else "the numbers of the rows"
        guessed.append(f"ids are {called} (--id-column)")
    return Columns(text, note_id, tuple(guessed))


def _first(likely: Sequence[str], names: Sequence[str]) -> str | None:
    by_lower = {name.lower(): name for name in reversed(names)}
    return next((by_lower[name] for name in likely if name in by_lower), None)


def checked(note_id: str, text: object) -> SourceNote:
    """Make a note, with a fault unless the text can be annotated and written.

    A lone surrogate cannot be encoded. NUL characters are a sign of a binary file or of UTF-16. An
    export that lost a text leaves only white space.
    """
    if text is None:
        return SourceNote(note_id, "", "no text (null)")
    if not isinstance(text, str):
        return SourceNote(note_id, "", f"not text ({type(text).__name__})")
    if "\0" in text:
        return SourceNote(note_id, "", "binary, or not UTF-8: it holds NUL characters")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return SourceNote(note_id, "", f"not UTF-8 at character {error.start}")
    return SourceNote(note_id, text) if text.strip() else SourceNote(note_id, "", EMPTY)


def row_note(columns: Columns, place: str, row: Row | str) -> SourceNote:
    """Make a note of a table row, or of the reason why the row cannot be read.

    place (str): The id of the note if the table has no id column.
    """
    if isinstance(row, str):
        return SourceNote(place, "", row)
    if columns.id is not None:
        value = row.get(columns.id)
        if value is None or value == "":
            return SourceNote(place, "", f"no id in the column {columns.id}")
        named = checked(place, str(value))
        if named.fault:
            return SourceNote(place, "", f"its id: {named.fault}")
        place = named.text
    if columns.text not in row:
        return SourceNote(place, "", f"no column {columns.text}")
    return checked(place, row[columns.text])


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file that may be compressed with gzip, bzip2 or xz, as its name says."""
    return OPENERS.get(path.suffix, open)(path, "rb")


def decompressed(name: str, data: bytes) -> bytes:
    """Decompress the bytes of a file, as its name says."""
    opener = OPENERS.get(Path(name).suffix)
    return opener(io.BytesIO(data)).read() if opener else data


def without_compression(name: str) -> str:
    """A file name without ``.gz``, ``.bz2`` or ``.xz``."""
    return next((name.removesuffix(end) for end in OPENERS if name.endswith(end)), name)
