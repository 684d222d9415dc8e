"""Notes and their sources, and the columns of tables."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import accumulate, chain, islice
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NamedTuple
from unicodedata import category
from uuid import UUID

from spacy_cardioner.errors import CardionerError, listed, plain, shown, text_is_shown
from spacy_cardioner.files import checksum
from spacy_cardioner.texts import BROKEN, UTF_8, damage, misfit

EMPTY = "empty"
NO_ID = "no id"
NULL = "no text (null)"
SAME_IDS = "their ids do not tell which text a mention is from"
# Most characters of a note, and of its id.
MAX_CHARACTERS = 2_000_000
MAX_ID = 1000
# Whole numbers up to here are exact as floating point numbers.
EXACT = 2**53
# Unicode's control characters, surrogates, and ends of lines and paragraphs.
NOT_IN_IDS = {"Cc", "Cs", "Zl", "Zp"}

# Most likely first. The first of each is the name in the OMOP common data model.
TEXT_NAMES = ("note_text", "text", "texto", "testo", "note", "nota", "report", "content", "body")
ID_NAMES = (
    "note_id", "id", "row_id", "doc_id", "document_id", "hadm_id", "filename", "file", "name",
)  # fmt: skip

Row = Mapping[str, Any]


class Unreadable(CardionerError):
    """A file cannot be read, or not to its end. Others can."""


class SourceNote(NamedTuple):
    """A note as it was read.

    id (str): Its file name without ``.txt``, or its value in the id column.
    text (str): Its text, "" if it has a fault.
    fault (str): Why it cannot be annotated, without any of its text; "" for a good note.
    place (str): Where it was read, for messages: a file, with the row of a table.
    kept (tuple[Any, ...]): Its values of the columns to keep, None where one is missing. There are
        none if the row cannot be read.
    """

    id: str
    text: str
    fault: str = ""
    place: str = ""
    kept: tuple[Any, ...] = ()

    @property
    def called(self) -> str:
        """What messages call the note: its place, as ids are patients' data too."""
        if self.place and not text_is_shown():
            return self.place
        return ", ".join(filter(None, [self.place, f"the note {shown(self.id)}"]))


class Wanted(NamedTuple):
    """The columns that the user names.

    text, id (str | None): Columns of the texts and the ids. None: to be guessed by name.
    keep (tuple[str, ...]): Columns that are written with the mentions of their note.
    """

    text: str | None = None
    id: str | None = None
    keep: tuple[str, ...] = ()


GUESSED = Wanted()


class Columns(NamedTuple):
    """The columns to read.

    id (str | None): None numbers the notes.
    keep (Mapping[str, str]): The columns to keep, and the names of their Arrow types.
    guessed (tuple[str, ...]): Messages to the user about the guesses.
    """

    text: str
    id: str | None
    keep: Mapping[str, str] = {}
    guessed: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """All of them, each once."""
        return list(dict.fromkeys(filter(None, (self.text, self.id, *self.keep))))


class Source(ABC):
    """Yields notes lazily, always in the same order.

    A note that cannot be read is yielded with its fault, so that positions never change.

    name (str): Its name for messages and records.
    files (Sequence[Path]): The files that it reads, in this order. No output may replace them.
    encoding (str): Of its bytes, if it reads text.
    """

    columns = Columns("", None)
    total: int | None = None  # the number of notes, if known
    files: Sequence[Path] = ()
    encoding: str = UTF_8

    def __init__(self, name: str) -> None:
        self.name = name

    def __iter__(self) -> Iterator[SourceNote]:
        return self.after(0)

    @abstractmethod
    def after(self, count: int) -> Iterator[SourceNote]:
        """The notes after the first `count`."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Identify the source, to resume a run only on the same notes.

        RAISES (CardionerError): It can be read only once.
        """


class FileSource(Source):
    """Files with notes.

    Of two files with the same `stem`, whose notes would have the same ids, only the first is read:
    the other is at fault.

    folder (Path): Folder of the files.
    names (Sequence[str]): Their paths in it.
    counts (Sequence[int]): The number of notes of each file, if known.
    """

    counts: Sequence[int] = ()

    def __init__(self, name: str, folder: Path, names: Sequence[str]) -> None:
        super().__init__(name)
        self.names = names
        self.files = [folder / file for file in names]
        first: dict[str, str] = {}
        firsts = ((file, first.setdefault(self.stem(file), file)) for file in names)
        self.twins = {file: other for file, other in firsts if other != file}

    @abstractmethod
    def stem(self, file: str) -> str:
        """What the ids of the notes of a file have of its name."""

    @abstractmethod
    def notes_of(self, file: str, path: Path) -> Iterator[SourceNote]:
        """The notes of a file. RAISES: Unreadable or an error in `BROKEN`."""

    def after(self, count: int) -> Iterator[SourceNote]:
        """The notes after the first `count`."""
        ends = [0, *accumulate(self.counts)]
        skipped = bisect_right(ends, count) - 1
        files = zip(self.names[skipped:], self.files[skipped:], strict=True)
        notes = chain.from_iterable(self._all_of(*file) for file in files)
        return islice(notes, count - ends[skipped], None)

    def _all_of(self, file: str, path: Path) -> Iterator[SourceNote]:
        """The notes of a file, and a fault if it cannot be read to its end."""
        count = 0
        try:
            if file in self.twins:
                other = plain(self.twins[file])
                raise Unreadable(f"the notes of {other} have the same ids; rename one of them")
            for note in self.notes_of(file, path):
                yield note
                count += 1
        except (Unreadable, *BROKEN) as error:
            fault = f"cannot be read after {count} notes: " if count else "cannot be read: "
            fault += str(error) if isinstance(error, Unreadable) else damage(error)
            if len(self.files) == 1:
                raise CardionerError(f"{path}: {fault}") from error
            yield SourceNote(plain(file), "", fault, plain(file))

    def describe(self) -> dict[str, Any]:
        """Identify the files.

        RETURNS (dict[str, Any]): Number, bytes and SHA-256 of the files: for several, of the list
            of their checksums and names.
        """
        sums = [checksum(path) for path in self.files]
        listing = "".join(f"{one}  {name}\n" for one, name in zip(sums, self.names, strict=True))
        digest = hashlib.sha256(listing.encode("utf-8", "surrogateescape")).hexdigest()
        return {
            "input": self.name,
            "files": len(sums),
            "bytes": sum(path.stat().st_size for path in self.files),
            "sha256": sums[0] if len(sums) == 1 else digest,
            "encoding": self.encoding,
        }


def not_again(name: str) -> CardionerError:
    """The error of a source that can be read only once."""
    return CardionerError(
        f"{name}: can be read only once, so a run in parts could not be "
        "resumed; save it in a file, or leave out --part-size"
    )


def choose(
    where: str, names: Sequence[str], wanted: Wanted = GUESSED, *, needs_id: bool = False
) -> Columns:
    """Choose the given columns, and guess the others by name.

    where (str): The table, for messages.
    names (Sequence[str]): Its columns. Messages do not show them: without a header, they are data.
    needs_id (bool): The rows have no order, so they cannot be numbered.
    RAISES (CardionerError): There is no such column, or no likely column, or there are two.
    """
    text, note_id, keep = wanted
    have = f"there {'is' if len(names) == 1 else 'are'} {listed(names, 'column')}"
    given = [("--text-column", text), ("--id-column", note_id), *(("--keep", one) for one in keep)]
    for option, column in given:
        if column is not None and column not in names:
            raise CardionerError(f"{where}: no column has the name that {option} gives; {have}")
    guessed = []
    if text is None:
        text = _first(TEXT_NAMES, names)
        if text is None:
            raise CardionerError(
                f"{where}: which column has the texts (--text-column)? A table has the names of "
                f"its columns in the first row; {have}"
            )
        guessed.append(f"texts are read from the column {text} (--text-column)")
    if note_id is None:
        note_id = _first(ID_NAMES, [name for name in names if name != text])
        if note_id is None and needs_id:
            raise CardionerError(f"{where}: needs a column of ids (--id-column); {have}")
        called = f"from the column {note_id}" if note_id else "the numbers of the rows"
        guessed.append(f"ids are {called} (--id-column)")
    if note_id == text:
        raise CardionerError(f"{where}: ids and texts cannot be in the same column (--id-column)")
    columns = Columns(text, note_id, dict.fromkeys(keep, "string"), tuple(guessed))
    if fault := lacks(names, columns):
        raise CardionerError(f"{where}: {fault}")
    return columns


def lacks(names: Sequence[str], columns: Columns) -> str:
    """Why the columns cannot be read from a table with these names; "" if they can."""
    kept = (("a column to keep", name) for name in columns.keep)
    used = (("the column of the texts", columns.text), ("the column of the ids", columns.id), *kept)
    for what, column in used:
        count = 1 if column is None else names.count(column)
        if count != 1:
            return f"{count or 'none'} of its columns have the name of {what}"
    return ""


def _first(likely: Sequence[str], names: Sequence[str]) -> str | None:
    by_lower = {name.lower(): name for name in reversed(names)}
    return next((by_lower[name] for name in likely if name in by_lower), None)


def checked(
    note_id: object,
    text: object,
    place: str,
    instead: str,
    kept: Sequence[object] = (),
    encoding: str | None = None,
) -> SourceNote:
    """Make a note, with a fault unless it can be annotated and written.

    note_id (object): Its id, of whatever type the source has.
    place (str): Where it was read.
    instead (str): Its id if `note_id` cannot be one.
    kept (Sequence[object]): Its values of the columns to keep.
    encoding (str | None): Of the bytes that it was read from, if the user can give another.
    """
    values = tuple(None if _is_missing(value) else value for value in kept)
    fault, spelled = _id_fault(note_id), instead
    if not fault:
        spelled = _spelled(note_id)
        fault = _text_fault(text, encoding)
    if values and (unkept := _kept_fault(values, encoding)):
        fault, values = fault or unkept, ()
    return SourceNote(spelled, "" if fault else str(text), fault, place, values)


def _text_fault(text: object, encoding: str | None) -> str:
    """What is wrong with a text.

    A lone surrogate cannot be encoded. NUL characters are a sign of a binary file or of UTF-16. An
    export that lost a text leaves only white space.
    """
    if text is None:
        return NULL
    if not isinstance(text, str):
        return f"not text ({type(text).__name__})"
    if "\0" in text:
        return misfit(encoding, "binary, or not {}: it holds NUL characters")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return misfit(encoding, f"not {{}} at character {error.start}")
    if encoding not in (None, UTF_8) and _is_utf8(text, str(encoding)):
        return f"UTF-8, not {encoding}; annotate notes in UTF-8 without --encoding"
    return "" if text.strip() else EMPTY


def _is_utf8(text: str, encoding: str) -> bool:
    """Whether a text was decoded with the wrong encoding: its bytes are UTF-8 beyond ASCII."""
    try:
        return not text.isascii() and bool(text.encode(encoding).decode())
    except UnicodeError:
        return False


def _kept_fault(values: Sequence[object], encoding: str | None) -> str:
    """What is wrong with values to keep: an output could not hold them."""
    try:
        for value in values:
            kept_text(value).encode()
    except UnicodeEncodeError:
        return misfit(encoding, "a column to keep is not {}")
    return ""


def kept_text(value: object) -> str:
    """Spell a value to keep: "" for None, JSON for lists and objects."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, (bool, list, dict)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return "" if value is None else _spelled(value)


def _spelled(value: object) -> str:
    """Spell an id. Whole numbers are whole: integers with gaps are often stored as floats."""
    if isinstance(value, str):
        return value
    if isinstance(value, (Real, Decimal)) and not isinstance(value, Integral):
        number: Any = value  # mypy's Real has no order
        if abs(number) < EXACT and number == int(number):
            return str(int(number))
    return str(value)


def _is_missing(value: object) -> bool:
    """Whether it is None, NaN or what pandas has for them."""
    if value is None or isinstance(value, str):
        return value is None
    try:
        return bool(value != value)
    except TypeError:  # pandas' NA is neither true nor false
        return True
    except (ValueError, ArithmeticError):  # an array; a NaN of Decimal that signals
        return isinstance(value, Decimal)


def _id_fault(value: object) -> str:
    """What is wrong with an id. Tables have ids of any type."""
    number = isinstance(value, (Real, Decimal)) and not isinstance(value, bool)
    if _is_missing(value):
        return NO_ID
    if not (number or isinstance(value, (str, UUID, date))):
        return f"its id is not a text or a number ({type(value).__name__})"
    exact = not isinstance(value, Real) or isinstance(value, Integral) or abs(float(value)) < EXACT
    if not exact:
        return "its id is a number that is not exact; write it as text"
    spelled = str(value)
    if not spelled.strip():
        return NO_ID
    if len(spelled) > MAX_ID:
        return f"its id has more than {MAX_ID} characters"
    if any(category(char) in NOT_IN_IDS for char in spelled):
        return "its id holds control characters, line ends or bytes that are not UTF-8"
    return ""


def with_same_ids(
    notes: Iterable[SourceNote], report: Callable[[SourceNote], object]
) -> Iterator[SourceNote]:
    """Report each good note whose id an earlier one has. It takes about 100 bytes for each note."""
    seen: set[int] = set()
    for note in notes:
        if not note.fault:
            known = hash(note.id)  # of 64 bits: an id by itself takes more
            if known in seen:
                report(note)
            seen.add(known)
        yield note


def row_note(
    columns: Columns, place: str, instead: str, row: Row | str, encoding: str | None = None
) -> SourceNote:
    """Make a note of a table row, or of the reason why the row cannot be read.

    instead (str): The id of the note if the table has no column of ids.
    encoding (str | None): See `checked`.
    """
    if isinstance(row, str):
        return SourceNote(instead, "", row, place)
    note_id = instead if columns.id is None else row.get(columns.id)
    kept = [row.get(name) for name in columns.keep]
    return checked(note_id, row.get(columns.text), place, instead, kept, encoding)
