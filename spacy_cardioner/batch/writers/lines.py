"""JSONL, and the task's TSV."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from spacy_cardioner import brat
from spacy_cardioner.batch.mentions import ATTRIBUTES
from spacy_cardioner.batch.writers.base import Put, Writer
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.spans import Entity

if TYPE_CHECKING:
    from spacy_cardioner.batch.engine import Annotated
    from spacy_cardioner.batch.mentions import Mention


class JsonLines(Writer):
    """One JSON object a line for each note. What is not known of a mention is left out.

    with_text (bool): Give the note's text too, under "text".
    """

    ending = ".jsonl"

    def __init__(self, *, with_text: bool = False) -> None:
        self.with_text = with_text

    def render(self, found: Annotated) -> bytes:
        """A note as it will be written."""
        row: dict[str, Any] = {"id": found.note.id}
        if self.with_text:
            row["text"] = found.note.text
        row["entities"] = [_json_entity(mention) for mention in found.mentions]
        return json.dumps(row, ensure_ascii=False).encode() + b"\n"

    @contextmanager
    def into(self, place: IO[bytes], first: int = 1) -> Iterator[Put]:
        """Write to an open file, or into a folder."""
        yield place.write


class Tsv(Writer):
    """The task's table, without quoting: a row for each mention, and none for a note without any.

    Line ends and tabs inside a mention become a space, as the table has no other way to hold them;
    the offsets are the note's.

    with_attributes (bool): Add columns for all else that is known of a mention, empty where it is
        not.
    """

    ending = ".tsv"

    def __init__(self, *, with_attributes: bool = False) -> None:
        self.with_attributes = with_attributes
        self.header = (*brat.TSV_HEADER, *(ATTRIBUTES if with_attributes else ()))

    def render(self, found: Annotated) -> bytes:
        """A note as it will be written."""
        return b"".join(map(_line, self.rows(found)))

    def rows(self, found: Annotated) -> list[tuple[str, ...]]:
        """The rows of a note, in the order of `header`.

        RAISES (CardionerError): The table cannot hold them.
        """
        note = found.note
        if re.search(r"[\t\r\n]", note.id):
            raise CardionerError(f"{note.id!a}: a name with a tab or a line end; rename it")
        entities = [Entity(*mention[:4]) for mention in found.mentions]
        textbounds = brat.note_from_entities(note.id, note.text, entities).textbounds
        return [
            (
                *(note.id, mention.label, str(mention.start), str(mention.end)),
                _one_column(textbound.text),
                *(map(_column, mention[4:]) if self.with_attributes else ()),
            )
            for mention, textbound in zip(found.mentions, textbounds, strict=True)
        ]

    @contextmanager
    def into(self, place: IO[bytes], first: int = 1) -> Iterator[Put]:
        """Write to an open file, or into a folder."""
        place.write(_line(self.header))
        yield place.write


def _json_entity(mention: Mention) -> dict[str, Any]:
    start, end, label, text = mention[:4]
    return {"start": start, "end": end, "label": label, "text": text, **mention.attributes}


def _line(row: Iterable[str]) -> bytes:
    return ("\t".join(row) + "\n").encode()


def _column(value: object) -> str:
    """A value as pandas and others read it."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else _one_column(str(value))


def _one_column(text: str) -> str:
    return re.sub(r"[\t\r\n]+", " ", text)
