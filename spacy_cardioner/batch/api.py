"""Annotating from Python: texts, records, pandas and Spark DataFrames."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spacy_cardioner.batch.readers.columns import Columns, Wanted, choose, row_note
from spacy_cardioner.batch.readers.note import SAME_IDS, SourceNote, checked
from spacy_cardioner.batch.settings import MAX_CHARACTERS, MAX_TOKENS, TIMEOUT, Settings
from spacy_cardioner.batch.writers.base import check_names
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
    keep: Sequence[str] = (),
    context: bool | str = False,
    batch_size: int = 64,
    workers: int = 0,
    gpu: int | None = None,
    timeout: float = TIMEOUT,
    max_tokens: int = MAX_TOKENS,
    max_characters: int = MAX_CHARACTERS,
) -> Any:
    """Find the entities of notes.

    notes (Iterable | pandas.DataFrame | pandas.Series | pyspark.sql.DataFrame): Texts, pairs of id
        and text, records with a column for each, or a table of these. A Series has the texts, and
        its index the ids.
    model (str | Language): Name of an installed pipeline, or folder of a saved one. Without workers
        and Spark, also a pipeline.
    text, note_id (str | None): Columns of the texts and the ids. Default: guessed by name.
    keep (Sequence[str]): Other columns, such as "person_id": columns of the resulting DataFrame,
        or the values of `note.kept`.
    context (bool | str): Detect negation and other context, if the pipeline does not: True with
        the rules of its language, or "es", "en" or "it". It needs medspaCy.
    batch_size (int): Most notes held in memory at a time, for each worker.
    workers (int): Number of processes, each with the pipeline and one thread; 0 runs in this
        process. A script with workers needs ``if __name__ == "__main__":``.
    timeout (float): Seconds without a sign of life after which a note fails. Without workers, only
        in the main thread, and not on Windows.
    max_tokens (int): Tokens processed at a time. Longer notes are split; fewer need less memory.
    max_characters (int): A note with more characters fails.
    RETURNS (Iterator[Annotated] | DataFrame): For an iterable, each note with its mentions, in the
        given order; `note.fault` says why a note failed. For a DataFrame, one of the same kind
        with a row for each mention, and for each failed note a row with only "note_id", "error" and
        the columns to keep.
    RAISES (CardionerError): The pipeline cannot be loaded, the columns cannot be chosen, or `notes`
        is a single text or a table of another kind.
    """
    kind = type(notes).__module__.partition(".")[0]
    if isinstance(notes, (str, bytes, Mapping)):
        raise CardionerError("a single note: give a list of notes, such as [text]")
    if kind not in ("pandas", "pyspark") and hasattr(notes, "to_pandas"):
        raise CardionerError(f"a table of {kind}: give notes.to_pandas()")
    wanted = Wanted(text, note_id, tuple(dict.fromkeys(keep)))
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
        context=context,
    )
    if kind == "pyspark":
        return _spark_frame(notes, settings, wanted)
    if kind == "pandas":
        table = notes if hasattr(notes, "columns") else _of_series(notes)
        table = table.set_axis(list(map(str, table.columns)), axis=1)
        columns = choose("the DataFrame", list(table.columns), wanted)
        check_names("the result", (*COLUMNS, "error"), columns.keep)
        types = {name: table[name].dtype for name in columns.keep}
        return _frame(_annotated(_of_frame(table, columns), settings), types)
    return _annotated(_of_records(notes, wanted), settings)


def _of_series(texts: pd.Series | pd.Index) -> pd.DataFrame:
    import pandas as pd

    return pd.Series(texts).to_frame("text")


def _spark_frame(notes: DataFrame, settings: Settings, wanted: Wanted) -> DataFrame:
    from pyspark.sql import functions as F

    from spacy_cardioner.batch.spark import per_note

    columns = choose("the DataFrame", notes.columns, wanted, needs_id=True)
    check_names("the result", (*COLUMNS, "id", "error", "mentions"), columns.keep)
    found = per_note(notes, columns, settings, {"mentions": Parquet()})
    found = found.withColumnsRenamed({f"kept_{n}": name for n, name in enumerate(columns.keep)})
    kept = [f"`{name}`" for name in columns.keep]
    rows = found.selectExpr("note_id as id", "inline_outer(mentions)", "error", *kept)
    rows = rows.where("start is not null or error is not null")
    return rows.withColumn("note_id", F.coalesce("note_id", "id")).drop("id")


def _annotated(notes: Iterable[SourceNote], settings: Settings) -> Iterator[Annotated]:
    from spacy_cardioner.batch.engine import started

    with started(settings) as (run, _):
        yield from run(notes)


def _of_frame(table: pd.DataFrame, columns: Columns) -> Iterator[SourceNote]:
    ids = table.index.to_series() if columns.id is None else table[columns.id]
    twice = ids.duplicated() & ids.notna()
    if twice.any():
        warnings.warn(
            f"{twice.sum()} rows have the id of an earlier row, the first is row {twice.argmax()}: "
            f"{SAME_IDS}",
            stacklevel=2,
        )
    # Of the values that pandas has for what is missing, only None is left.
    read = (ids, table[columns.text], *(table[name] for name in columns.keep))
    given = (one.astype(object).where(one.notna(), None) for one in read)
    for number, (note_id, text, *kept) in enumerate(zip(*given, strict=True)):
        place = f"row {number}"
        if columns.id is None and isinstance(note_id, tuple):  # of an index of several levels
            note_id = str(note_id)
        yield checked(note_id, text, place, place, kept)


def _of_records(records: Iterable[Any], wanted: Wanted) -> Iterator[SourceNote]:
    columns: Columns | None = None
    for number, record in enumerate(records):
        place = f"record {number}"
        if isinstance(record, SourceNote):
            yield record
        elif isinstance(record, Mapping):
            columns = columns or choose("the first record", list(record), wanted)
            instead = str(number) if columns.id is None else place
            yield row_note(columns, place, instead, record)
        elif isinstance(record, tuple):
            named, content = record[:2] if len(record) > 1 else (None, None)
            yield checked(named, content, place, place)
        else:
            yield checked(str(number), record, place, place)


def _frame(notes: Iterable[Annotated], keep: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    types = {name: PANDAS[kind] for name, kind in COLUMNS.items()} | {"error": "string", **keep}
    rows: list[Sequence[Any]] = []
    for note, mentions, *_ in notes:
        kept = note.kept or [None] * len(keep)
        rows += [(*mention_row(note.id, mention), None, *kept) for mention in mentions]
        if note.fault:
            rows.append([note.id, *[None] * (len(COLUMNS) - 1), note.fault, *kept])
    return pd.DataFrame(rows, columns=list(types), dtype=object).astype(types)
