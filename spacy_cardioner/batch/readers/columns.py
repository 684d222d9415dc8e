"""The columns of tables of notes: which are read, and the note of a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from spacy_cardioner.batch.readers.note import SourceNote, checked
from spacy_cardioner.errors import CardionerError, listed

# Most likely first. The first of each is the name in the OMOP common data model.
TEXT_NAMES = ("note_text", "text", "texto", "testo", "note", "nota", "report", "content", "body")
ID_NAMES = (
    "note_id", "id", "row_id", "doc_id", "document_id", "hadm_id", "filename", "file", "name",
)  # fmt: skip

Row = Mapping[str, Any]


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
