"""Rows of the table NOTE_NLP of the OMOP common data model, version 5.4, as CSV or Parquet.

source: https://ohdsi.github.io/CommonDataModel/cdm54.html#note_nlp
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

from spacy_cardioner.batch.mentions import CONTEXT
from spacy_cardioner.batch.writers.base import Put, Table
from spacy_cardioner.batch.writers.parquet import arrow_schema, row_groups
from spacy_cardioner.errors import CardionerError

if TYPE_CHECKING:
    from spacy_cardioner.batch.engine import Annotated
    from spacy_cardioner.batch.mentions import Mention

NO_CONCEPT = 0
LONGEST = 250  # characters of a snippet and of a mention
WIDEST = 2000  # characters of the modifiers
AROUND = 60  # characters of the note on each side of the mention in the snippet
# As a database writes it: 007 and 7 would become one note.
INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")

# The fields of the model in its order.
FIELDS = {
    "note_nlp_id": "int64",
    "note_id": "int64",
    "section_concept_id": "int64",
    "snippet": "string",
    "offset": "string",
    "lexical_variant": "string",
    "note_nlp_concept_id": "int64",
    "note_nlp_source_concept_id": "int64",
    "nlp_system": "string",
    "nlp_date": "date32",
    "nlp_datetime": "timestamp[s]",
    "term_exists": "string",
    "term_temporal": "string",
    "term_modifiers": "string",
}


class Omop(Table):
    """A row for each mention, numbered from 1. The ids of the notes must be integers, spelled
    without leading zeros.

    ending (str): ".csv" or ".parquet".
    RAISES (CardionerError): Parquet is wanted and pyarrow is not installed.
    """

    types = FIELDS

    def __init__(self, *, system: str, when: datetime, ending: str = ".csv") -> None:
        self.ending = ending  # type: ignore[misc]
        self.system = system[:LONGEST]
        self.when = when.replace(microsecond=0)
        self.schema = arrow_schema(FIELDS) if ending == ".parquet" else None

    def rows(self, found: Annotated) -> list[tuple[Any, ...]]:
        """The rows of a note in the order of `FIELDS`, their own id being 0."""
        note = found.note
        if not INTEGER.fullmatch(note.id):
            raise CardionerError(
                "in OMOP, the id of a note must be an integer without leading zeros"
            )
        return [
            (
                0,
                int(note.id),
                NO_CONCEPT,
                _snippet(note.text, mention),
                str(mention.start),
                mention.text[:LONGEST],
                NO_CONCEPT,
                NO_CONCEPT,
                self.system,
                self.when.date(),
                self.when,
                _exists(mention),
                _temporal(mention),
                _modifiers(mention),
            )
            for mention in found.mentions
        ]

    @contextmanager
    def into(self, place: IO[bytes], first: int = 1) -> Iterator[Put]:
        """Write to an open file."""
        with self._written(place) as write:
            number = first

            def put(rows: list[tuple[Any, ...]]) -> None:
                nonlocal number
                write([(number + index, *row[1:]) for index, row in enumerate(rows)])
                number += len(rows)

            yield put

    @contextmanager
    def _written(self, place: IO[bytes]) -> Iterator[Put]:
        if self.schema is not None:
            with row_groups(place, self.schema) as put:
                yield put
            return
        # By default, Python's csv does not quote a lone carriage return.
        text = codecs.getwriter("utf-8")(place)
        rows = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        rows.writerow(FIELDS)
        yield rows.writerows


def _snippet(text: str, mention: Mention) -> str:
    """The mention and the characters around it, on one line."""
    start = max(0, mention.start - AROUND)
    return " ".join(text[start : mention.end + AROUND].split())[:LONGEST]


def _exists(mention: Mention) -> str | None:
    """Whether the patient has or had it, or takes or took it. None if the pipeline does not detect
    context.
    """
    if mention.negated is None:
        return None
    absent = mention.negated or mention.family or mention.hypothetical or mention.allergy
    return "N" if absent else "Y"


def _temporal(mention: Mention) -> str | None:
    if mention.historical is None:
        return None
    return "past" if mention.historical else "present"


def _modifiers(mention: Mention) -> str:
    """Values without a field in the model, as ``name=value`` separated by semicolons."""
    named: dict[str, Any] = {"label": mention.label}
    if mention.negated is not None:
        named |= {
            "negation": mention.negated,
            "subject": "family" if mention.family else "patient",
            "conditional": bool(mention.hypothetical),
            "uncertain": bool(mention.uncertain),
            "history": bool(mention.historical),
            "allergy": bool(mention.allergy),
        }
    named |= {k: v for k, v in mention.attributes.items() if k not in CONTEXT}
    if len(mention.text) > LONGEST:
        named["end"] = mention.end
    return ";".join(f"{name}={_value(value)}" for name, value in named.items())[:WIDEST]


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4f}" if isinstance(value, float) else str(value).replace(";", ",")
