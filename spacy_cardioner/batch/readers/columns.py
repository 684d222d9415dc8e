"""Which columns of a table hold the texts and ids of notes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from spacy_cardioner.errors import CardionerError

# Most likely first. The first of each is the name in the OMOP common data model.
TEXT_NAMES = ("note_text", "text", "texto", "testo", "note", "nota", "report", "content", "body")
ID_NAMES = (
    "note_id", "id", "row_id", "doc_id", "document_id", "hadm_id", "filename", "file", "name",
)  # fmt: skip


class Columns(NamedTuple):
    """The columns to read.

    text (str): Column of the texts.
    id (str | None): Column of the ids. None numbers the notes.
    guessed (tuple[str, ...]): Messages to the user about the guesses.
    """

    text: str
    id: str | None
    guessed: tuple[str, ...] = ()


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
    names (Sequence[str]): Its columns.
    text, note_id (str | None): The columns that the user gave.
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
            raise CardionerError(
                f"{where}: which column has the texts? Say it with --text-column; {have}"
            )
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
