"""JSONL, and the TSV of the shared tasks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from spacy_cardioner import brat
from spacy_cardioner.batch.mentions import ATTRIBUTES
from spacy_cardioner.batch.readers.note import kept_text
from spacy_cardioner.batch.writers.base import Lines, Table, check_names
from spacy_cardioner.errors import CardionerError

if TYPE_CHECKING:
    from spacy_cardioner.batch.engine import Annotated
    from spacy_cardioner.batch.mentions import Mention


JSON_KEYS = ("id", "text", "entities")


class JsonLines(Lines):
    """A JSON object for each note. Unknown attributes of a mention are left out.

    with_text (bool): Add the text of the note as "text".
    keep (Iterable[str]): Columns of the input to add.
    """

    ending = ".jsonl"

    def __init__(self, *, with_text: bool = False, keep: Iterable[str] = ()) -> None:
        self.with_text = with_text
        self.keep = list(keep)
        check_names("JSONL", JSON_KEYS, self.keep)

    def render(self, found: Annotated) -> bytes:
        """Render a note."""
        row: dict[str, Any] = {"id": found.note.id}
        row |= zip(self.keep, found.note.kept, strict=True)
        if self.with_text:
            row["text"] = found.note.text
        row["entities"] = [json_entity(mention) for mention in found.mentions]
        return json.dumps(row, ensure_ascii=False, default=kept_text).encode() + b"\n"


class Tsv(Lines, Table):
    """A row for each mention, without quoting.

    Line ends and tabs in a mention become a space; the offsets are those of the note.

    with_attributes (bool): Add a column for each attribute, empty where it is unknown.
    keep (Iterable[str]): Columns of the input to add, empty where a value is missing.
    """

    ending = ".tsv"

    def __init__(self, *, with_attributes: bool = False, keep: Iterable[str] = ()) -> None:
        self.with_attributes = with_attributes
        header = (*brat.TSV_HEADER, *(ATTRIBUTES if with_attributes else ()))
        kept = list(keep)
        check_names("TSV", header, kept)
        self.types = dict.fromkeys((*header, *kept), "string")
        self.head = _line(map(_one_line, self.types))

    def render(self, found: Annotated) -> bytes:
        """Render a note."""
        return b"".join(map(_line, self.rows(found)))

    def rows(self, found: Annotated) -> list[tuple[Any, ...]]:
        """The rows of a note as strings."""
        note = found.note
        if re.search(r"[\t\r\n]", note.id):
            raise CardionerError("the id has a tab or a line end; rename the note")
        kept = [_one_line(kept_text(value)) for value in note.kept]
        entities = [mention.entity for mention in found.mentions]
        textbounds = brat.note_from_entities(note.id, note.text, entities).textbounds
        return [
            (
                *(note.id, mention.label, str(mention.start), str(mention.end)),
                _one_line(textbound.text),
                *(map(_column, mention.values) if self.with_attributes else ()),
                *kept,
            )
            for mention, textbound in zip(found.mentions, textbounds, strict=True)
        ]


def json_entity(mention: Mention) -> dict[str, Any]:
    """A mention as JSON has it. Unknown attributes are left out."""
    start, end, label, text = mention[:4]
    return {"start": start, "end": end, "label": label, "text": text, **mention.attributes}


def _line(row: Iterable[str]) -> bytes:
    return ("\t".join(row) + "\n").encode()


def _column(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else _one_line(str(value))


def _one_line(text: str) -> str:
    return re.sub(r"[\t\r\n]+", " ", text)
