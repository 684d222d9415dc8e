"""Annotating from Python: texts, records, pandas and Spark DataFrames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from spacy_cardioner.batch.local import started
from spacy_cardioner.batch.readers.base import SourceNote, checked
from spacy_cardioner.batch.readers.columns import Columns, choose
from spacy_cardioner.batch.settings import TIMEOUT, Settings
from spacy_cardioner.errors import CardionerError

if TYPE_CHECKING:
    import pandas as pd
    from spacy.language import Language

    from spacy_cardioner.batch.engine import Annotated

Record = str | tuple[Any, str] | Mapping[str, Any] | SourceNote


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
) -> Any:
    """Find the entities of notes.

    notes (Iterable | pandas.DataFrame | pyspark.sql.DataFrame): Texts; or pairs of id and text; or
        records with a column for each; or a table of these.
    model (str | Language): An installed pipeline's name, the folder of a saved one, or, if there
        are neither workers nor Spark, a pipeline.
    text, note_id (str | None): The columns with the texts and the ids; None to guess them.
    batch_size (int): How many notes the pipeline gets at a time.
    workers (int): How many processes to share the notes out among; 0 to start none. A script that
        starts some needs ``if __name__ == "__main__":``.
    gpu (int | None): The number of a GPU to run on.
    timeout (float): After how many seconds without a sign a worker is replaced.
    RETURNS (Iterator[Annotated] | DataFrame): For an iterable an iterator: each note in its order
        with its mentions, and in `note.fault` why there are none if it could not be annotated. For
        a DataFrame one of the same kind, with a row for each mention; for a note that could not be
        annotated a row that has nothing but "note_id" and "error".
    RAISES (CardionerError): The pipeline cannot be loaded, or the columns cannot be chosen.
    """
    kind = type(notes).__module__.partition(".")[0]
    if not isinstance(model, str) and (workers or kind == "pyspark"):
        raise CardionerError("other processes load the pipeline: give its name or its folder")
    settings = Settings(model, batch_size=batch_size, workers=workers, gpu=gpu, timeout=timeout)
    if kind == "pyspark":
        from spacy_cardioner.batch.spark import annotate_frame

        return annotate_frame(notes, settings, text=text, note_id=note_id)
    if kind == "pandas":
        from spacy_cardioner.batch.frames import frame

        columns = choose("the DataFrame", list(map(str, notes.columns)), text, note_id)
        return frame(_annotated(_of_frame(notes, columns), settings))
    return _annotated(_of_records(notes, text, note_id), settings)


def _annotated(notes: Iterable[SourceNote], settings: Settings) -> Iterator[Annotated]:
    with started(settings) as (run, _):
        yield from run(notes)


def _of_frame(table: pd.DataFrame, columns: Columns) -> Iterator[SourceNote]:
    ids = table.index if columns.id is None else table[columns.id]
    for note_id, text in zip(ids, table[columns.text], strict=True):
        # pandas has a number for what is missing among strings.
        missing = text is None or text != text
        yield checked(str(note_id), None if missing else text)


def _of_records(
    records: Iterable[Record], text: str | None, note_id: str | None
) -> Iterator[SourceNote]:
    columns: Columns | None = None
    for number, record in enumerate(records):
        if isinstance(record, SourceNote):
            yield record
        elif isinstance(record, Mapping):
            columns = columns or choose("the first record", list(record), text, note_id)
            named = number if columns.id is None else record.get(columns.id, number)
            yield checked(str(named), record.get(columns.text))
        elif isinstance(record, tuple):
            yield checked(str(record[0]), record[1])
        else:
            yield checked(str(number), record)
