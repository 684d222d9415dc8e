"""The engine of a cluster: the same pipeline, options and rows on a Spark session."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, get_type_hints

from spacy_cardioner.batch.mentions import Mention
from spacy_cardioner.batch.readers.base import BROKEN, SourceNote, checked, decompressed
from spacy_cardioner.batch.readers.columns import Columns, choose
from spacy_cardioner.batch.readers.text import decoded, note_name
from spacy_cardioner.batch.settings import Settings, make_annotator
from spacy_cardioner.batch.writers.lines import Tsv
from spacy_cardioner.batch.writers.omop import NoteNlp, Omop
from spacy_cardioner.batch.writers.parquet import COLUMNS
from spacy_cardioner.errors import CardionerError, needs

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

    from spacy_cardioner.batch.engine import Annotated, Annotator


class Wanted(NamedTuple):
    """What each note's row has besides its mentions.

    omop (Omop | None): What makes "note_nlp", an array of NOTE_NLP's rows.
    tsv (Tsv | None): What makes "tsv", an array of the table's rows, each an array of its columns.
    text (bool): Whether there is "text", the note's.
    """

    omop: Omop | None = None
    tsv: Tsv | None = None
    text: bool = False


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
    columns = chosen(frame, text, note_id)
    return mention_rows(per_note(narrow(frame, columns), settings))


def mention_rows(notes: DataFrame) -> DataFrame:
    """A row for each mention and each error, of one for each note."""
    from pyspark.sql import functions as F

    mention = F.explode_outer("entities").alias("entity")
    fields = [F.col(f"entity.{name}").alias(name) for name, _ in COLUMNS[1:]]
    found = notes.select("note_id", mention, "error").select("note_id", *fields, "error")
    return found.where("start is not null or error is not null")


def chosen(frame: DataFrame, text: str | None, note_id: str | None) -> Columns:
    """The columns with the texts and the ids.

    RAISES (CardionerError): They cannot be chosen, or hold something else.
    """
    columns = choose("the DataFrame", frame.columns, text, note_id)
    if columns.id is None:
        raise CardionerError("Spark has no order of rows: notes need a column of ids (--id-column)")
    kind = frame.schema[columns.text].dataType.typeName()
    if kind not in ("string", "binary"):
        raise CardionerError(f"the column {columns.text} holds no texts, but {kind}")
    return columns


def narrow(frame: DataFrame, columns: Columns) -> DataFrame:
    """What the pipeline needs of a frame: "note_id" and "text"."""
    assert columns.id is not None  # checked when it was chosen
    named = frame[columns.id].cast("string").alias("note_id")
    return frame.select(named, frame[columns.text].alias("text"))


def per_note(
    notes: DataFrame, settings: Settings, wanted: Wanted | None = None, *, files: bool = False
) -> DataFrame:
    """One row for each note: "note_id", "entities" (an array of structures), and "error"; and what
    is wanted besides.

    notes (DataFrame): "note_id" and "text".
    files (bool): The ids are paths, and the texts what the files hold, which may be compressed.
    """
    wanted = wanted or Wanted()
    settings = Settings(str(settings.model), settings.batch_size, gpu=settings.gpu)
    return notes.mapInPandas(partial(_annotate, settings, wanted, files), schema(wanted))


def schema(wanted: Wanted) -> StructType:
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
    if wanted.text:
        fields.append(T.StructField("text", T.StringType()))
    if wanted.tsv is not None:
        fields.append(T.StructField("tsv", T.ArrayType(T.ArrayType(T.StringType()))))
    if wanted.omop is not None:
        own = {int: T.LongType(), date: T.DateType(), datetime: T.TimestampType()}
        kinds_of = get_type_hints(NoteNlp).items()
        row = [T.StructField(name, own.get(kind, T.StringType())) for name, kind in kinds_of]
        fields.append(T.StructField("note_nlp", T.ArrayType(T.StructType(row))))
    return T.StructType(fields)


@lru_cache(maxsize=1)
def _annotator(model: str, gpu: int | None) -> Annotator:
    """The pipeline of this process, loaded when it is first needed."""
    return make_annotator(Settings(model, gpu=gpu))


def _annotate(
    settings: Settings, wanted: Wanted, files: bool, frames: Iterator[pd.DataFrame]
) -> Iterator[pd.DataFrame]:
    """What an executor does with its rows."""
    import pandas as pd

    from spacy_cardioner.batch.engine import batches

    annotator = _annotator(str(settings.model), settings.gpu)
    names = schema(wanted).names
    for batch in batches(_notes(frames, files), settings.batch_size):
        yield pd.DataFrame([_row(found, wanted) for found in annotator(batch)], columns=names)


def _row(found: Annotated, wanted: Wanted) -> dict[str, Any]:
    """A note with all that is wanted; or with an error, if one of the outputs cannot hold it."""
    row: dict[str, Any] = {"note_id": found.note.id, "entities": [], "error": found.note.fault}
    row |= {"text": None, "tsv": None, "note_nlp": None}
    if row["error"]:
        return row
    try:
        if wanted.tsv is not None:
            row["tsv"] = wanted.tsv.rows(found)
        if wanted.omop is not None:
            row["note_nlp"] = [one._asdict() for one in wanted.omop.render(found)]
    except CardionerError as error:
        return row | {"error": str(error)}
    entities = [_entity(mention) for mention in found.mentions]
    return row | {"entities": entities, "error": None, "text": found.note.text}


def _notes(frames: Iterator[pd.DataFrame], files: bool) -> Iterator[SourceNote]:
    for frame in frames:
        for note_id, text in zip(frame["note_id"], frame["text"], strict=True):
            if note_id is None:
                yield SourceNote("", "", "no id")
            elif files:
                yield _of_file(note_id, bytes(text))
            elif isinstance(text, (bytes, bytearray)):
                yield decoded(note_id, "it", bytes(text))
            else:
                yield checked(note_id, text)


def _of_file(name: str, data: bytes) -> SourceNote:
    try:
        return decoded(note_name(name), f"the file {name}", decompressed(name, data))
    except BROKEN:
        return SourceNote(note_name(name), "", f"the file {name} cannot be read: damaged")


def _entity(mention: Mention) -> dict[str, Any]:
    return {**mention._asdict(), "kb_id": mention.kb_id or None}
