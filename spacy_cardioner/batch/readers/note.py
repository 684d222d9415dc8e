"""Notes as they were read, and why some cannot be annotated."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, NamedTuple
from unicodedata import category
from uuid import UUID

from spacy_cardioner.errors import shown, text_is_shown
from spacy_cardioner.texts import UTF_8, misfit

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
