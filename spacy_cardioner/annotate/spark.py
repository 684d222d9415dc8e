"""The engine of a cluster: the same pipeline, options and rows on a Spark session."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, get_type_hints

from spacy_cardioner.annotate.extras import needs
from spacy_cardioner.annotate.local import Settings, load
from spacy_cardioner.annotate.mentions import Mention
from spacy_cardioner.annotate.readers.base import SourceNote, checked
from spacy_cardioner.annotate.readers.columns import choose
from spacy_cardioner.annotate.readers.text import decoded
from spacy_cardioner.annotate.writers.omop import NoteNlp, Omop
from spacy_cardioner.annotate.writers.parquet import COLUMNS
from spacy_cardioner.errors import CardionerError

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

    from spacy_cardioner.annotate.engine import Annotated, Annotator


def annotate_frame(
    frame: DataFrame, settings: Settings, *, text: str | None = None, note_id: str | None = None
) -> DataFrame:
    """Find the entities of the notes of a Spark DataFrame.

    Each of Spark's Python processes loads the pipeline once, and keeps it for all its tasks: the
    executors need spacy_cardioner and the pipeline installed.

    RETURNS (DataFrame): A row for each mention, and one for each note at fault, as `api.annotate`
        says. It is evaluated when it is used, each time anew.
    RAISES (CardionerError): The columns cannot be chosen.
    """
    return mention_rows(per_note(frame, settings, text=text, note_id=note_id))


def mention_rows(notes: DataFrame) -> DataFrame:
    """A row for each mention and each error, of one for each note."""
    from pyspark.sql import functions as F

    mention = F.explode_outer("entities").alias("entity")
    fields = [F.col(f"entity.{name}").alias(name) for name, _ in COLUMNS[1:]]
    found = notes.select("note_id", mention, "error").select("note_id", *fields, "error")
    return found.where("start is not null or error is not null")


def per_note(
    frame: DataFrame,
    settings: Settings,
    *,
    text: str | None = None,
    note_id: str | None = None,
    omop: Omop | None = None,
    only: tuple[int, int] | None = None,
) -> DataFrame:
    """One row for each note: "note_id", "entities" (an array of structures), and "error"; with
    `omop`, which makes them, also "note_nlp" (an array of NOTE_NLP's rows).

    only (tuple[int, int] | None): Of so many parts, into which ids sort notes, this one.
    """
    from pyspark.sql import functions as F

    columns = choose("the DataFrame", frame.columns, text, note_id)
    if columns.id is None:
        raise CardionerError("Spark has no order of rows: notes need a column of ids (--id-column)")
    kind = frame.schema[columns.text].dataType.typeName()
    if kind not in ("string", "binary"):
        raise CardionerError(f"the column {columns.text} holds no texts, but {kind}")
    named = frame[columns.id].cast("string").alias("note_id")
    narrow = frame.select(named, frame[columns.text].alias("text"))
    if only is not None:
        part, parts = only
        narrow = narrow.where(F.pmod(F.xxhash64("note_id"), F.lit(parts)) == part)
    work = partial(_annotate, str(settings.model), settings.batch_size, settings.gpu, omop)
    return narrow.mapInPandas(work, schema(with_omop=omop is not None))


def schema(*, with_omop: bool = False) -> StructType:
    """The columns of `per_note`.

    RAISES (CardionerError): pyspark is not installed.
    """
    with needs("pyspark", "spark"):
        from pyspark.sql import types as T

    kinds = {
        "string": T.StringType(),
        "int32": T.IntegerType(),
        "float": T.FloatType(),
        "bool": T.BooleanType(),
    }
    entity = T.StructType([T.StructField(name, kinds[kind]) for name, kind in COLUMNS[1:]])
    fields = [
        T.StructField("note_id", T.StringType()),
        T.StructField("entities", T.ArrayType(entity)),
        T.StructField("error", T.StringType()),
    ]
    if with_omop:
        own = {int: T.LongType(), date: T.DateType(), datetime: T.TimestampType()}
        kinds_of = get_type_hints(NoteNlp).items()
        row = [T.StructField(name, own.get(kind, T.StringType())) for name, kind in kinds_of]
        fields.append(T.StructField("note_nlp", T.ArrayType(T.StructType(row))))
    return T.StructType(fields)


@lru_cache(maxsize=1)
def _annotator(model: str, gpu: int | None) -> Annotator:
    """The pipeline of this process, loaded when it is first needed."""
    from spacy_cardioner.annotate.engine import Annotator

    return Annotator(load(Settings(model, gpu=gpu)))


def _annotate(
    model: str,
    batch_size: int,
    gpu: int | None,
    omop: Omop | None,
    frames: Iterator[pd.DataFrame],
) -> Iterator[pd.DataFrame]:
    """What an executor does with its rows."""
    import pandas as pd

    from spacy_cardioner.annotate.engine import batches

    annotator = _annotator(model, gpu)
    for batch in batches(_notes(frames), batch_size):
        yield pd.DataFrame([_row(found, omop) for found in annotator(batch)])


def _row(found: Annotated, omop: Omop | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "note_id": found.note.id,
        "entities": [_entity(mention) for mention in found.mentions],
        "error": found.note.fault or None,
    }
    if omop is not None:
        row["note_nlp"] = []
        try:
            row["note_nlp"] = [] if row["error"] else [one._asdict() for one in omop.render(found)]
        except CardionerError as error:
            row |= {"entities": [], "error": str(error)}
    return row


def _notes(frames: Iterator[pd.DataFrame]) -> Iterator[SourceNote]:
    for frame in frames:
        for note_id, text in zip(frame["note_id"], frame["text"], strict=True):
            if note_id is None:
                yield SourceNote("", "", "no id")
            elif isinstance(text, (bytes, bytearray)):
                yield decoded(note_id, "it", bytes(text))
            else:
                yield checked(note_id, text)


def _entity(mention: Mention) -> dict[str, Any]:
    return {**mention._asdict(), "kb_id": mention.kb_id or None}
