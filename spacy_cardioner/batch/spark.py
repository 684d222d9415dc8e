"""Annotating on Spark, with its own readers and writers: paths are local, of HDFS, S3 and so on."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from spacy_cardioner.batch.engine import Annotated, Annotator, batches, load
from spacy_cardioner.batch.manifest import ERRORS, Counts
from spacy_cardioner.batch.readers import InputFormat, kind_of
from spacy_cardioner.batch.readers.base import Columns
from spacy_cardioner.batch.readers.delimited import ADVICE, delimiter_of
from spacy_cardioner.batch.readers.text import note_of
from spacy_cardioner.batch.run import rendered
from spacy_cardioner.batch.settings import Settings
from spacy_cardioner.batch.writers import Output, OutputFormat, make_writer
from spacy_cardioner.batch.writers.base import Table
from spacy_cardioner.errors import CardionerError, masked
from spacy_cardioner.files import refuse_overlap
from spacy_cardioner.loading import identity

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame, DataFrameReader, SparkSession

# Names of Arrow types in Spark.
SPARK = {"int32": "int", "int64": "bigint", "bool": "boolean"}
SPARK |= {"date32": "date", "timestamp[s]": "timestamp"}
TEXT_FILES = "*.[tT][xX][tT]{,.[gG][zZ],.[bB][zZ]2,.[xX][zZ]}"
ID_TYPES = re.compile("string|(var)?char|decimal|float|double|date|timestamp|(big|small|tiny)?int")
# Spark's CSV writer strips values by default.
CSV = {"header": True, "ignoreLeadingWhiteSpace": False, "ignoreTrailingWhiteSpace": False}

_annotator = lru_cache(maxsize=1)(Annotator)  # one in each process of Spark


def read_notes(
    session: SparkSession, source: str, kind: InputFormat | None, *, recursive: bool = False
) -> DataFrame:
    """Read a file, folder or pattern. Text files become columns "note_id" and "content"."""
    kind = kind or kind_of(source)
    reader = session.read.option("recursiveFileLookup", recursive)
    if kind is InputFormat.parquet:
        return session.read.parquet(source)  # with its partitions
    if kind is InputFormat.jsonl:
        return reader.json(source)
    if kind is InputFormat.csv:
        return _read_csv(source, reader)
    if kind is not InputFormat.text:
        raise CardionerError(
            f"{masked(source)}: Spark reads files; --input-format says in which format"
        )
    pattern = re.search(r"[*?\[{]", source)
    folder = bare(os.path.dirname(source[: pattern.start()]) if pattern else source)
    reader = reader.option("pathGlobFilter", "*" if pattern else TEXT_FILES)
    note_id = rf"regexp_replace(path, r'^.*?\Q{folder}/\E', '') as note_id"
    return reader.format("binaryFile").load(source).selectExpr(note_id, "content")


def _read_csv(source: str, reader: DataFrameReader) -> DataFrame:
    """Read CSV or TSV. Spark alone would read a file from a quote that is not closed as one value.

    RAISES (CardionerError): A file has such a quote, or two columns have the same name.
    """
    from pyspark.sql import functions as F

    lines = reader.text(source, lineSep="\n")
    quotes = F.sum(F.expr("length(value) - length(replace(value, '\"', ''))"))
    counts = lines.groupBy(F.input_file_name().alias("file")).agg(quotes.alias("quotes"))
    if odd := counts.where("quotes % 2 = 1").first():
        name = unquote(bare(odd.file))
        raise CardionerError(f"{name}: a quote is not closed, as their number is odd. {ADVICE}")
    header = (lines.first() or [""])[0]
    # Spark changes line ends in the texts unless it knows how lines end.
    options = {"lineSep": "\r\n" if header.endswith("\r") else "\n", "sep": delimiter_of(header)}
    names = next(csv.reader([header.lower()], delimiter=options["sep"]), [])
    if any(names.count(name) > 1 for name in filter(None, names)):
        raise CardionerError(f"{masked(source)}: two columns have the same name")
    return reader.csv(
        source, header=True, enforceSchema=False, multiLine=True, mode="FAILFAST", escape='"',
        unescapedQuoteHandling="RAISE_ERROR", **options,
    )  # fmt: skip


def run_spark(
    notes: DataFrame,
    columns: Columns,
    settings: Settings,
    outputs: Sequence[tuple[OutputFormat, str]],
    *,
    with_text: bool = False,
    with_attributes: bool = False,
    max_errors: int | None = None,
    overwrite: bool = False,
) -> Counts:
    """Annotate notes, and write each output as a folder. The first one lists notes that failed.

    RAISES (CardionerError): The pipeline cannot be loaded here, too many notes failed, or an output
        overlaps with the input or another one.
    """
    read = (Path(unquote(bare(file))) for file in notes.inputFiles())
    refuse_overlap(read, [Path(bare(path)) for _, path in outputs])
    pipeline, when = identity(load(settings._replace(gpu=None))), datetime.now()
    make = partial(make_writer, pipeline=pipeline, when=when, with_attributes=with_attributes)
    kinds = (OutputFormat.parquet, *dict(outputs))
    tables = {k.value: one for k in kinds if isinstance(one := make(Output(k, None)), Table)}
    done = per_note(notes, columns, settings, tables).persist()
    good, bad = done.where("error is null"), done.where("error is not null")
    if max_errors is not None and (failed := bad.count()) > max_errors:
        raise CardionerError(f"{failed} notes failed, more than --max-errors {max_errors}")
    for kind, path in outputs:
        _write(good, kind, path, "overwrite" if overwrite else "errorifexists", with_text)
    if not bad.isEmpty():
        reasons = bad.selectExpr("note_id as id", "error as reason").coalesce(1)
        reasons.write.json(f"{outputs[0][1]}/{ERRORS}")
    counts = done.selectExpr("count(*)", "count(error)", "sum(size(parquet))").first()
    return Counts(counts[0] - counts[1], counts[1], counts[2] or 0)


def _write(good: DataFrame, kind: OutputFormat, path: str, mode: str, with_text: bool) -> None:
    from pyspark.sql import functions as F

    if kind is OutputFormat.jsonl:
        entities = F.transform("parquet", lambda row: row.dropFields("note_id")).alias("entities")
        rows = good.select(F.col("note_id").alias("id"), *["text"] * with_text, entities)
        return rows.write.json(path, mode=mode)
    rows = good.select(F.inline(kind.value))
    if kind is OutputFormat.omop:
        rows = rows.withColumn("note_nlp_id", F.monotonically_increasing_id() + 1)
    if kind is OutputFormat.parquet or (kind, path[-8:]) == (OutputFormat.omop, ".parquet"):
        rows.write.parquet(path, mode=mode)
    elif kind is OutputFormat.tsv:
        rows.write.csv(path, mode, sep="\t", quote="", escapeQuotes=False, emptyValue="", **CSV)
    else:
        time = "yyyy-MM-dd HH:mm:ss"
        rows.write.csv(path, mode, quoteAll=True, escape='"', timestampFormat=time, **CSV)


def per_note(
    notes: DataFrame, columns: Columns, settings: Settings, tables: Mapping[str, Table]
) -> DataFrame:
    """Annotate notes. RETURNS (DataFrame): "note_id", "text", "error", and arrays of `tables`."""
    schema = "note_id string, text string, error string"
    for name, table in tables.items():
        fields = (f"`{field}`: {SPARK.get(kind, kind)}" for field, kind in table.types.items())
        schema += f", {name} array<struct<{', '.join(fields)}>>"
    kind = dict(notes.dtypes)[str(columns.id)]
    if not ID_TYPES.match(kind):
        raise CardionerError(
            f"the column of ids has neither texts nor numbers ({kind.split('<')[0]})"
        )
    note_id = f"cast(`{columns.id}` as string)"
    if kind in ("float", "double"):
        note_id = f"nullif({note_id}, 'NaN')"  # a missing number
    pairs = notes.selectExpr(note_id, f"`{columns.text}`")
    return pairs.mapInPandas(partial(_annotate, settings, tables), schema)


def _annotate(
    settings: Settings, tables: Mapping[str, Table], frames: Iterator[pd.DataFrame]
) -> Iterator[pd.DataFrame]:
    import pandas as pd

    names = ["note_id", "text", "error", *tables]
    notes = (
        note_of(note_id, value, settings.max_characters)
        for frame in frames
        for note_id, value in frame.itertuples(index=False)
    )
    for batch in batches(notes, settings.batch_size):
        rows = [_row(found, tables) for found in _annotator(settings)(batch)]
        yield pd.DataFrame(rows, columns=names, dtype=object)


def _row(found: Annotated, tables: Mapping[str, Table]) -> list[Any]:
    rows, error = rendered(found, [table.records for table in tables.values()])
    return [found.note.id, found.note.text, error or None, *(rows or [[]] * len(tables))]


def bare(path: str) -> str:
    """A path without its scheme, absolute if it has none."""
    return re.sub(r"^[\w.+-]+:/*", "/", path if ":" in path else os.path.abspath(path))
