"""Rows of the table NOTE_NLP of the OMOP common data model, version 5.4, as CSV or Parquet.

source: https://ohdsi.github.io/CommonDataModel/cdm54.html#note_nlp
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from spacy_cardioner.batch.mentions import CONTEXT
from spacy_cardioner.batch.writers.base import Put, Writer
from spacy_cardioner.batch.writers.parquet import RowGroups
from spacy_cardioner.errors import CardionerError, needs

if TYPE_CHECKING:
    import pyarrow as pa

    from spacy_cardioner.batch.engine import Annotated
    from spacy_cardioner.batch.mentions import Mention

NO_CONCEPT = 0
LONGEST = 250  # characters of a snippet and of a mention
WIDEST = 2000  # characters of the modifiers
AROUND = 60  # characters of the note on each side of the mention in the snippet
INTEGER = re.compile(r"-?[0-9]{1,18}")


class NoteNlp(NamedTuple):
    """One row; the fields are those of the model, by name and in its order."""

    note_nlp_id: int
    note_id: int
    section_concept_id: int
    snippet: str
    offset: str
    lexical_variant: str
    note_nlp_concept_id: int
    note_nlp_source_concept_id: int
    nlp_system: str
    nlp_date: date
    nlp_datetime: datetime
    term_exists: str | None
    term_temporal: str | None
    term_modifiers: str


class Omop(Writer):
    """A row for each mention.

    The ids of the notes have to be whole numbers, as the model's are. Rows are numbered from 1 on.

    system (str): The pipeline and its version.
    when (datetime): When the run was started.
    ending (str): ".csv" or ".parquet".
    RAISES (CardionerError): pyarrow is not installed, and Parquet is wanted.
    """

    def __init__(self, *, system: str, when: datetime, ending: str = ".csv") -> None:
        self.ending = ending  # type: ignore[misc]
        self.system = system[:LONGEST]
        self.when = when.replace(microsecond=0)
        self.schema = schema() if ending == ".parquet" else None

    def render(self, found: Annotated) -> list[NoteNlp]:
        """A note as it will be written."""
        note = found.note
        if not INTEGER.fullmatch(note.id):
            raise CardionerError(f"{note.id!a}: OMOP has whole numbers for the ids of notes")
        return [
            NoteNlp(
                note_nlp_id=0,
                note_id=int(note.id),
                section_concept_id=NO_CONCEPT,
                snippet=_snippet(note.text, mention),
                offset=str(mention.start),
                lexical_variant=mention.text[:LONGEST],
                note_nlp_concept_id=NO_CONCEPT,
                note_nlp_source_concept_id=NO_CONCEPT,
                nlp_system=self.system,
                nlp_date=self.when.date(),
                nlp_datetime=self.when,
                term_exists=_exists(mention),
                term_temporal=_temporal(mention),
                term_modifiers=_modifiers(mention),
            )
            for mention in found.mentions
        ]

    @contextmanager
    def into(self, place: IO[bytes], first: int = 1) -> Iterator[Put]:
        """Write to an open file, or into a folder."""
        with self._rows(place) as write:
            number = first

            def put(rows: list[NoteNlp]) -> None:
                nonlocal number
                write([row._replace(note_nlp_id=number + i) for i, row in enumerate(rows)])
                number += len(rows)

            yield put

    @contextmanager
    def _rows(self, place: IO[bytes]) -> Iterator[Put]:
        if self.schema is not None:
            with RowGroups(place, self.schema) as groups:
                yield groups.put
            return
        # Python leaves a lone carriage return bare unless told to quote whatever is no number.
        text = codecs.getwriter("utf-8")(place)
        rows = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        rows.writerow(NoteNlp._fields)
        yield rows.writerows


def schema() -> pa.Schema:
    """The Arrow schema of the rows.

    RAISES (CardionerError): pyarrow is not installed.
    """
    with needs("pyarrow", "parquet"):
        import pyarrow as pa
    kinds = {"nlp_date": pa.date32(), "nlp_datetime": pa.timestamp("s")}
    integers = ("note_nlp_id", "note_id")
    return pa.schema(
        (
            name,
            kinds.get(name)
            or (pa.int64() if name in integers or name.endswith("concept_id") else pa.string()),
        )
        for name in NoteNlp._fields
    )


def _snippet(text: str, mention: Mention) -> str:
    """The mention and what stands around it, on one line."""
    start = max(0, mention.start - AROUND)
    return " ".join(text[start : mention.end + AROUND].split())[:LONGEST]


def _exists(mention: Mention) -> str | None:
    """Whether the patient has or had it. Not, where it is negated, somebody else's, or only
    supposed; None where the pipeline does not look at context.
    """
    if mention.negated is None:
        return None
    return "N" if mention.negated or mention.family or mention.hypothetical else "Y"


def _temporal(mention: Mention) -> str | None:
    if mention.historical is None:
        return None
    return "past" if mention.historical else "present"


def _modifiers(mention: Mention) -> str:
    """All that the model has no field for, as ``name=value`` parted by semicolons."""
    named: dict[str, Any] = {"label": mention.label}
    if mention.negated is not None:
        named |= {
            "negation": mention.negated,
            "subject": "family" if mention.family else "patient",
            "conditional": bool(mention.hypothetical),
            "uncertain": bool(mention.uncertain),
            "history": bool(mention.historical),
        }
    named |= {k: v for k, v in mention.attributes.items() if k not in CONTEXT}
    if len(mention.text) > LONGEST:
        named["end"] = mention.end
    return ";".join(f"{name}={_value(value)}" for name, value in named.items())[:WIDEST]


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4f}" if isinstance(value, float) else str(value).replace(";", ",")
