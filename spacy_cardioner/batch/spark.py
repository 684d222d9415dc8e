"""Annotating on Spark, with its own readers and writers: paths are local, of HDFS, S3 and so on."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from spacy_cardioner.batch.engine import Annotated, Annotator, batches
from spacy_cardioner.batch.manifest import ERRORS, Counts
from spacy_cardioner.batch.readers import InputFormat, kind_of
from spacy_cardioner.batch.readers.columns import Columns
from spacy_cardioner.batch.readers.delimited import ADVICE, delimiter_of
from spacy_cardioner.batch.readers.foreign import foreign_by_name
from spacy_cardioner.batch.readers.note import SAME_IDS
from spacy_cardioner.batch.readers.text import Reading, note_of
from spacy_cardioner.batch.run import rendered
from spacy_cardioner.batch.settings import Settings
from spacy_cardioner.batch.writers import Output, OutputFormat, make_writer
from spacy_cardioner.batch.writers.base import Table, check_names
from spacy_cardioner.batch.writers.lines import JSON_KEYS
from spacy_cardioner.errors import CardionerError, masked, tell
from spacy_cardioner.files import refuse_overlap
from spacy_cardioner.texts import UTF_8

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
    session: SparkSession,
    source: str,
    kind: InputFormat | None,
    *,
    recursive: bool = False,
    encoding: str = UTF_8,
) -> DataFrame:
    """Read a file, folder or pattern. Text files become columns "note_id" and "content".

    RAISES (CardionerError): The format is unknown, or it is no text or table.
    """
    kind = kind or kind_of(source)
    if kind is not InputFormat.text and encoding != UTF_8:
        raise CardionerError(
            f"{masked(source)}: on Spark, --encoding is for text files (--input-format text); "
            "convert the table to UTF-8, or use --engine local"
        )
    reader = session.read.option("recursiveFileLookup", recursive)
    if kind is InputFormat.parquet:
        return session.read.parquet(source)  # with its partitions
    if kind is InputFormat.jsonl:
        return reader.json(source)
    if kind is InputFormat.csv:
        return _read_csv(source, reader)
    if kind is not InputFormat.text:
        raise CardionerError(
            f"{masked(source)}: "
            + (foreign_by_name(source) or "Spark reads files; --input-format says in which format")
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
    encoding: str = UTF_8,
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
    pipeline = Annotator(settings._replace(gpu=None)).identity
    when = datetime.now()
    make = partial(make_writer, pipeline=pipeline, when=when, with_attributes=with_attributes)
    kinds = (OutputFormat.parquet, *dict(outputs))
    tables = {k.value: one for k in kinds if isinstance(one := make(Output(k, None)), Table)}
    for kind in {kind for kind, _ in outputs} - {OutputFormat.omop}:
        own = JSON_KEYS if kind is OutputFormat.jsonl else tables[kind.value].types
        check_names(kind.value, own, columns.keep)
    done = per_note(notes, columns, settings, tables, encoding).persist()
    good, bad = done.where("error is null"), done.where("error is not null")
    if max_errors is not None and (failed := bad.count()) > max_errors:
        raise CardionerError(f"{failed} notes failed, more than --max-errors {max_errors}")
    if twice := good.groupBy("note_id").count().where("count > 1").count():
        tell(f"ids of several notes: {twice} (--id-column); {SAME_IDS}")
    for kind, path in outputs:
        mode = "overwrite" if overwrite else "errorifexists"
        _write(good, kind, path, mode, with_text, columns.keep)
    if not bad.isEmpty():
        reasons = bad.selectExpr("note_id as id", "error as reason").coalesce(1)
        reasons.write.json(f"{outputs[0][1]}/{ERRORS}")
    counts = done.selectExpr("count(*)", "count(error)", "sum(size(parquet))").first()
    return Counts(counts[0] - counts[1], counts[1], counts[2] or 0)


def _write(
    good: DataFrame,
    kind: OutputFormat,
    path: str,
    mode: str,
    with_text: bool,
    keep: Iterable[str],
) -> None:
    from pyspark.sql import functions as F

    kept = [good[_kept(index)].alias(name) for index, name in enumerate(keep)]
    if kind is OutputFormat.jsonl:
        entities = F.transform("parquet", lambda row: row.dropFields("note_id")).alias("entities")
        rows = good.select(F.col("note_id").alias("id"), *kept, *["text"] * with_text, entities)
        return rows.write.json(path, mode=mode)
    rows = good.select(F.inline(kind.value), *([] if kind is OutputFormat.omop else kept))
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
    notes: DataFrame,
    columns: Columns,
    settings: Settings,
    tables: Mapping[str, Table],
    encoding: str = UTF_8,
) -> DataFrame:
    """Annotate notes.

    RETURNS (DataFrame): "note_id", "text", "error", arrays of `tables`, and `_kept` columns.
    """
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
    if re.match("float|double|decimal", kind):  # integers with gaps are often stored as floats
        whole = f"try_cast(`{columns.id}` as bigint)"
        note_id = f"if({whole} = `{columns.id}`, cast({whole} as string), {note_id})"
    # Spark gives values of other types to Python with changes: integers with gaps become floats.
    as_text = [f"cast(`{name}` as string)" for name in columns.keep]
    values = notes.selectExpr(note_id, f"`{columns.text}`", *as_text)
    kept = [_kept(index) for index in range(len(as_text))]
    schema += "".join(f", {name} string" for name in kept)
    reading = Reading(settings.max_characters, encoding, is_text=True)
    found = values.mapInPandas(partial(_annotate, settings, tables, reading, kept), schema)
    types = (notes.schema[name].dataType for name in columns.keep)
    back = {name: found[name].cast(type) for name, type in zip(kept, types, strict=True)}
    return found.withColumns(back) if back else found


def _kept(index: int) -> str:
    """The name of a column to keep while notes are annotated: its own may be that of another."""
    return f"kept_{index}"


def _annotate(
    settings: Settings,
    tables: Mapping[str, Table],
    reading: Reading,
    kept: Sequence[str],
    frames: Iterator[pd.DataFrame],
) -> Iterator[pd.DataFrame]:
    import pandas as pd

    names = ["note_id", "text", "error", *tables, *kept]
    notes = (
        note_of(note_id, value, reading, values)
        for frame in frames
        for note_id, value, *values in frame.itertuples(index=False, name=None)
    )
    for batch in batches(notes, settings.batch_size):
        rows = [_row(found, tables) for found in _annotator(settings)(batch)]
        yield pd.DataFrame(rows, columns=names, dtype=object)


def _row(found: Annotated, tables: Mapping[str, Table]) -> list[Any]:
    note = found.note._replace(kept=())  # these tables have none
    rows, error = rendered(found._replace(note=note), [one.records for one in tables.values()])
    return [note.id, note.text, error or None, *(rows or [[]] * len(tables)), *found.note.kept]


def bare(path: str) -> str:
    """A path without its scheme, absolute if it has none."""
    return re.sub(r"^[\w.+-]+:/*", "/", path if ":" in path else os.path.abspath(path))
