"""Which columns of a table hold the notes' texts and ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from spacy_cardioner.errors import CardionerError

# Likeliest first; the first of each are those of the OMOP common data model.
TEXT_NAMES = ("note_text", "text", "texto", "testo", "note", "nota", "report", "content", "body")
ID_NAMES = (
    "note_id", "id", "row_id", "doc_id", "document_id", "hadm_id", "filename", "file", "name",
)  # fmt: skip


class Columns(NamedTuple):
    """The columns of a table that are read.

    text (str): The one with the texts.
    id (str | None): The one with the ids; None where notes are called by their place.
    guessed (tuple[str, ...]): What was guessed, for a person.
    """

    text: str
    id: str | None
    guessed: tuple[str, ...] = ()


def choose(
    where: str, names: Sequence[str], text: str | None = None, note_id: str | None = None
) -> Columns:
    """Take the columns that were asked for, and guess by their names those that were not.

    where (str): The table, for messages.
    names (Sequence[str]): Its columns.
    text, note_id (str | None): The columns asked for.
    RAISES (CardionerError): There is no such column, or none that looks like it has texts.
    """
    for option, wanted in (("--text-column", text), ("--id-column", note_id)):
        if wanted is not None and wanted not in names:
            raise CardionerError(f"{where}: no column {wanted} ({option}); {_have(names)}")
    guessed = []
    if text is None:
        text = _first(TEXT_NAMES, names)
        if text is None:
            raise CardionerError(
                f"{where}: which column has the texts? Say it with --text-column; {_have(names)}"
            )
        guessed.append(f"texts are read from the column {text} (--text-column)")
    if note_id is None:
        note_id = _first(ID_NAMES, [name for name in names if name != text])
        called = f"from the column {note_id}" if note_id else "the numbers of the rows"
        guessed.append(f"ids are {called} (--id-column)")
    return Columns(text, note_id, tuple(guessed))


def _first(likely: Sequence[str], names: Sequence[str]) -> str | None:
    by_lower = {name.lower(): name for name in reversed(names)}
    return next((by_lower[name] for name in likely if name in by_lower), None)


def _have(names: Sequence[str]) -> str:
    return f"the columns are: {', '.join(map(str, names)) or 'none'}"
