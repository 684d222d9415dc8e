"""Annotating from Python: texts, records, pandas and Spark DataFrames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spacy_cardioner.batch.readers.base import Columns, SourceNote, checked, choose, row_note
from spacy_cardioner.batch.settings import MAX_CHARACTERS, MAX_TOKENS, TIMEOUT, Settings
from spacy_cardioner.batch.writers.parquet import COLUMNS, Parquet, mention_row
from spacy_cardioner.errors import CardionerError

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame
    from spacy.language import Language

    from spacy_cardioner.batch.engine import Annotated

# The nullable types of pandas: numpy's own have no missing values.
PANDAS = {"string": "string", "int32": "Int32", "float": "Float32", "bool": "boolean"}


def annotate(
    notes: Any,
    model: str | Language,
    *,
    text: str | None = None,
    note_id: str | None = None,
    batch_size: int = 64,
    workers: int = 0,
    gpu: int | None = None,
    timeout: float = TIMEOUT,
    max_tokens: int = MAX_TOKENS,
    max_characters: int = MAX_CHARACTERS,
) -> Any:
    """Find the entities of notes.

    notes (Iterable | pandas.DataFrame | pyspark.sql.DataFrame): Texts, pairs of id and text,
        records with a column for each, or a table of these.
    model (str | Language): Name of an installed pipeline, or folder of a saved one. Without workers
        and Spark, also a pipeline.
    text, note_id (str | None): Columns of the texts and the ids. Default: guessed by name.
    batch_size (int): Most notes held in memory at a time, for each worker.
    workers (int): Number of processes, each with the pipeline and one thread; 0 runs in this
        process. A script with workers needs ``if __name__ == "__main__":``.
    timeout (float): Seconds without a sign of life after which a note fails. Without workers, only
        in the main thread, and not on Windows.
    max_tokens (int): Tokens processed at a time. Longer notes are split; fewer need less memory.
    max_characters (int): A note with more characters fails.
    RETURNS (Iterator[Annotated] | DataFrame): For an iterable, each note with its mentions, in the
        given order; `note.fault` says why a note failed. For a DataFrame, one of the same kind
        with a row for each mention, and for each failed note a row with only "note_id" and "error".
    RAISES (CardionerError): The pipeline cannot be loaded, or the columns cannot be chosen.
    """
    kind = type(notes).__module__.partition(".")[0]
    if not isinstance(model, str) and (workers or kind == "pyspark"):
        raise CardionerError("other processes load the pipeline: give its name or its folder")
    settings = Settings(
        model,
        batch_size=batch_size,
        workers=workers,
        gpu=gpu,
        timeout=timeout,
        max_tokens=max_tokens,
        max_characters=max_characters,
    )
    if kind == "pyspark":
        return _spark_frame(notes, settings, text, note_id)
    if kind == "pandas":
        columns = choose("the DataFrame", list(map(str, notes.columns)), text, note_id)
        return _frame(_annotated(_of_frame(notes, columns), settings))
    return _annotated(_of_records(notes, text, note_id), settings)


def _spark_frame(
    notes: DataFrame, settings: Settings, text: str | None, note_id: str | None
) -> DataFrame:
    from pyspark.sql import functions as F

    from spacy_cardioner.batch.spark import per_note

    columns = choose("the DataFrame", notes.columns, text, note_id, needs_id=True)
    found = per_note(notes, columns, settings, {"mentions": Parquet()})
    rows = found.selectExpr("note_id as id", "inline_outer(mentions)", "error")
    rows = rows.where("start is not null or error is not null")
    return rows.withColumn("note_id", F.coalesce("note_id", "id")).drop("id")


def _annotated(notes: Iterable[SourceNote], settings: Settings) -> Iterator[Annotated]:
    from spacy_cardioner.batch.engine import started

    with started(settings) as (run, _):
        yield from run(notes)


def _of_frame(table: pd.DataFrame, columns: Columns) -> Iterator[SourceNote]:
    ids = (
        table.index.to_flat_index().map(str).to_series()
        if columns.id is None
        else table[columns.id]
    )
    # Of the values that pandas has for what is missing, only None is left.
    given = (one.astype(object).where(one.notna(), None) for one in (ids, table[columns.text]))
    for number, (note_id, text) in enumerate(zip(*given, strict=True)):
        yield checked(note_id, text, f"row {number}", str(number))


def _of_records(
    records: Iterable[Any], text: str | None, note_id: str | None
) -> Iterator[SourceNote]:
    columns: Columns | None = None
    for number, record in enumerate(records):
        place, instead = f"record {number}", str(number)
        if isinstance(record, SourceNote):
            yield record
        elif isinstance(record, Mapping):
            columns = columns or choose("the first record", list(record), text, note_id)
            yield row_note(columns, place, instead, record)
        elif isinstance(record, tuple):
            named, content = record[:2] if len(record) > 1 else (None, None)
            yield checked(named, content, place, instead)
        else:
            yield checked(instead, record, place, instead)


def _frame(notes: Iterable[Annotated]) -> pd.DataFrame:
    import pandas as pd

    types = {name: PANDAS[kind] for name, kind in COLUMNS.items()} | {"error": "string"}
    rows: list[Sequence[Any]] = []
    for note, mentions, *_ in notes:
        rows += [(*mention_row(note.id, mention), None) for mention in mentions]
        if note.fault:
            rows.append([note.id, *[None] * (len(COLUMNS) - 1), note.fault])
    return pd.DataFrame(rows, columns=list(types), dtype=object).astype(types)
