"""A run on a Spark session: read, annotate part by part, write with Spark's own writers.

What is found goes to a folder beside the first output first, ``OUT.unfinished``, part by part; the
outputs are written from there when all parts are done. Spark says that a part is whole by the file
``_SUCCESS`` in it. Paths are Spark's own: local ones, or those of HDFS, S3 and so on.
"""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacy_cardioner import __version__
from spacy_cardioner.batch.manifest import ERRORS, MANIFEST, Manifest, software
from spacy_cardioner.batch.readers import InputFormat, kind_of
from spacy_cardioner.batch.readers.base import OPENERS
from spacy_cardioner.batch.readers.tables import DELIMITERS
from spacy_cardioner.batch.run import Summary
from spacy_cardioner.batch.settings import Settings, load
from spacy_cardioner.batch.spark import Wanted, chosen, mention_rows, narrow, per_note
from spacy_cardioner.batch.writers import Omop, OutputFormat
from spacy_cardioner.batch.writers.lines import Tsv
from spacy_cardioner.errors import CardionerError, needs
from spacy_cardioner.loading import identity

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, DataFrameReader, SparkSession

# What a fault of a Python process is within Spark's.
OURS = re.compile(r"CardionerError: (.+)")
MISSING = re.compile(r"ModuleNotFoundError: (.+)")
BAD_ROW = "_bad_row"
# Spark's CSV writer takes white space off columns unless told to leave it.
EXACT = {"ignoreLeadingWhiteSpace": False, "ignoreTrailingWhiteSpace": False}


@dataclass
class SparkJob:
    """What is to be done; as `run.Job`, with names in the place of paths.

    source (str): A file, folder or pattern.
    outputs (Sequence[tuple[OutputFormat, str]]): Folders to be written.
    say (Callable[[str], object]): Is told what was guessed about the input.
    """

    source: str
    settings: Settings
    outputs: Sequence[tuple[OutputFormat, str]]
    kind: InputFormat | None = None
    text: str | None = None
    note_id: str | None = None
    recursive: bool = False
    with_text: bool = False
    with_attributes: bool = False
    max_errors: int | None = None
    part_size: int | None = None
    resume: bool = False
    overwrite: bool = False
    say: Callable[[str], object] = lambda _: None

    @property
    def folder(self) -> str:
        """The first output, which has the record."""
        return self.outputs[0][1].rstrip("/")

    @property
    def unfinished(self) -> str:
        """Where the parts are until all are done."""
        return f"{self.folder}.unfinished"


def run_spark(job: SparkJob) -> Summary:
    """Annotate all notes, and write what is found.

    RAISES (CardionerError): pyspark is not installed, the pipeline cannot be loaded here, too many
        notes failed, or the run cannot be resumed.
    """
    with needs("pyspark", "spark"):
        from pyspark.sql import SparkSession
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # not the first one in the PATH
    own = SparkSession.getActiveSession() is None
    with _brief_faults():
        session = SparkSession.builder.appName("cardioner annotate").getOrCreate()
        try:
            return _run(job, session)
        finally:
            if own:  # or its executors are started again and again while the program ends
                session.stop()


@contextmanager
def _brief_faults() -> Iterator[None]:
    """Faults of Spark in one line; those of the pipeline in its own words."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JError, PySparkException) as error:
        raise CardionerError(_brief(str(error).strip())) from error


def _brief(said: str) -> str:
    if ours := OURS.search(said):
        return ours[1]
    if missing := MISSING.search(said):
        return f"Spark's Python: {missing[1]}; PYSPARK_PYTHON says which Python that is"
    # py4j says first which call it was.
    said = re.sub(r"^An error occurred while calling \S+\n: ", "", said)
    return f"Spark: {said.splitlines()[0]}"


def _run(job: SparkJob, session: SparkSession) -> Summary:
    files = _Files(session)
    _refuse(job, files)
    notes = read(session, job, files)
    about = _about(job, notes)
    if (done := _finished(job, files, about)) is not None:
        return done
    about = _begin(job, files, about)
    parts = -(-about["inputs"]["rows"] // job.part_size) if job.part_size else 1
    for number in range(max(parts, 1)):
        _annotate_part(job, files, notes, about, number, parts)
    return _finish(job, session, files, about)


def read(session: SparkSession, job: SparkJob, files: _Files) -> DataFrame:
    """The notes, as Spark reads them: "note_id" and "text"; of text files the paths and bytes.

    RAISES (CardionerError): Nobody says what the input is, or the columns cannot be chosen.
    """
    from pyspark.sql import functions as F

    kind = _kind(job)
    if kind is InputFormat.text:
        return _text_files(session, job, files)
    reader = session.read.option("recursiveFileLookup", str(job.recursive).lower())
    if kind is InputFormat.parquet:
        # Looking into all folders would take partitions for plain folders.
        frame = session.read.parquet(job.source)
    elif kind is InputFormat.jsonl:
        frame = reader.json(job.source)
    else:
        frame = _delimited(reader, job.source)
    columns = chosen(frame.drop(BAD_ROW), job.text, job.note_id)
    if BAD_ROW in frame.columns:
        whole = F.when(F.col(BAD_ROW).isNull(), frame[columns.text])
        frame = frame.withColumn(columns.text, whole)
    for guess in columns.guessed:
        job.say(guess)
    return narrow(frame, columns)


def _delimited(reader: DataFrameReader, source: str) -> DataFrame:
    """A CSV file by its header; rows with fewer or more columns stand in a column of their own."""
    from pyspark.sql import types as T

    first = reader.text(source, lineSep="\n").first()
    header = first[0].removeprefix("\ufeff") if first else ""
    sep = max(DELIMITERS, key=header.count)
    names = next(csv.reader([header.rstrip("\r")], delimiter=sep), [])
    return reader.csv(
        source,
        schema=T.StructType([T.StructField(name, T.StringType()) for name in [*names, BAD_ROW]]),
        enforceSchema=False,
        sep=sep,
        # Unless it is told how lines end, Spark changes line ends within the texts.
        lineSep="\r\n" if header.endswith("\r") else "\n",
        header=True,
        multiLine=True,
        escape='"',
        columnNameOfCorruptRecord=BAD_ROW,
    )


def _kind(job: SparkJob) -> InputFormat:
    kind = job.kind or kind_of(job.source)
    if kind is InputFormat.sql or job.source == "-":
        raise CardionerError(f"{job.source}: Spark reads files; --engine local reads this")
    if kind is None:
        raise CardionerError(f"{job.source}: say what it is with --input-format")
    return kind


def _text_files(session: SparkSession, job: SparkJob, files: _Files) -> DataFrame:
    """Text files, by their paths in the folder that is read, as the other engine calls them."""
    from pyspark.sql import functions as F

    reader = session.read.format("binaryFile")
    reader = reader.option("recursiveFileLookup", str(job.recursive).lower())
    folder = job.source
    if files.is_folder(job.source):
        endings = ",".join(f"*.txt{end}" for end in ("", *OPENERS))
        reader = reader.option("pathGlobFilter", f"{{{endings}}}")
    else:
        folder = re.split(r"[*?\[{]", job.source)[0].rpartition("/")[0] or "."
    start = len(files.full(folder)) + 2  # Spark counts from 1, and there is a slash
    name = F.expr(f"substring(path, {start})").alias("note_id")
    return reader.load(job.source).select(name, F.col("content").alias("text"))


def _about(job: SparkJob, notes: DataFrame) -> dict[str, Any]:
    """What the run is. The checksum of the notes does not depend on their order."""
    from pyspark.sql import functions as F

    sums = notes.agg(F.count("*"), F.bit_xor(F.xxhash64("note_id", "text")))
    [(rows, checksum)] = sums.collect()
    # The executors may have a GPU, and this program none.
    model = identity(load(Settings(job.settings.model)))
    return {
        "software": software(),
        "model": model,
        "inputs": {"input": job.source, "rows": rows, "xxhash64": checksum},
        "options": {
            "outputs": [[kind.value, name] for kind, name in job.outputs],
            "part_size": job.part_size,
            "with_text": job.with_text,
            "with_attributes": job.with_attributes,
            "columns": [job.text, job.note_id],
        },
        "started": datetime.now().isoformat(timespec="seconds"),
    }


def _finished(job: SparkJob, files: _Files, about: dict[str, Any]) -> Summary | None:
    """What came of a run that has nothing left to be resumed."""
    record = f"{job.folder}/{MANIFEST}"
    if not job.resume or files.exists(job.unfinished) or not files.exists(record):
        return None
    done = json.loads(files.read(record))
    Manifest(Path(job.folder), done).check(about)
    counts = done["counts"]
    return Summary(counts["notes"], counts["errors"], counts["mentions"])


def _refuse(job: SparkJob, files: _Files) -> None:
    """RAISES (CardionerError): There is something that must not be overwritten."""
    source = files.full(job.source)
    for _, name in job.outputs:
        output = files.full(name)
        if f"{source}/".startswith(f"{output}/") or output.startswith(f"{source}/"):
            raise CardionerError(f"{name}: the notes are read from here; write somewhere else")
    begun = files.exists(f"{job.unfinished}/{MANIFEST}")
    if begun and not (job.resume or job.overwrite):
        raise CardionerError(
            f"{job.folder}: a run was stopped here; --resume goes on with it, "
            "--overwrite starts again"
        )
    if begun or (job.resume and files.exists(f"{job.folder}/{MANIFEST}")):
        return
    for _, name in job.outputs:
        if files.exists(name):
            if not job.overwrite:
                raise CardionerError(f"{name}: this is here already; --overwrite starts again")
            if not files.exists(f"{name}/_SUCCESS"):
                raise CardionerError(f"{name}: Spark has not written this; give another name")


def _begin(job: SparkJob, files: _Files, about: dict[str, Any]) -> dict[str, Any]:
    """Make the record, or check that it is this run's. RETURNS (dict[str, Any]): What it says."""
    path = f"{job.unfinished}/{MANIFEST}"
    if files.exists(path) and not job.overwrite:
        begun: dict[str, Any] = json.loads(files.read(path))
        Manifest(Path(job.unfinished), begun).check(about)
        return begun
    files.delete(job.unfinished)
    files.write(path, json.dumps(about, indent=1))
    return about


def _annotate_part(
    job: SparkJob,
    files: _Files,
    notes: DataFrame,
    about: dict[str, Any],
    number: int,
    parts: int,
) -> None:
    """Annotate the notes of a part, which their ids tell, unless it is done."""
    from pyspark.sql import functions as F

    path = f"{job.unfinished}/part-{number:05}"
    if not files.exists(f"{path}/_SUCCESS"):
        if parts > 1:
            notes = notes.where(F.pmod(F.xxhash64("note_id"), F.lit(parts)) == number)
        found = per_note(
            notes, job.settings, _wanted(job, about), files=_kind(job) is InputFormat.text
        )
        found.write.mode("overwrite").parquet(path)
    if job.max_errors is not None:
        done = notes.sparkSession.read.parquet(f"{job.unfinished}/part-*")
        failed = done.where(F.col("error").isNotNull()).count()
        if failed > job.max_errors:
            raise CardionerError(f"{failed} notes failed, more than --max-errors {job.max_errors}")


def _wanted(job: SparkJob, about: dict[str, Any]) -> Wanted:
    kinds = {kind for kind, _ in job.outputs}
    model = about["model"]
    system = f"{model['name']} {model['version']} (spacy_cardioner {__version__})"
    omop = Omop(system=system, when=datetime.fromisoformat(about["started"]))
    tsv = Tsv(with_attributes=job.with_attributes)
    return Wanted(
        omop if OutputFormat.omop in kinds else None,
        tsv if OutputFormat.tsv in kinds else None,
        job.with_text,
    )


def _finish(job: SparkJob, session: SparkSession, files: _Files, about: dict[str, Any]) -> Summary:
    """Write the outputs from the parts, and remove these."""
    from pyspark.sql import functions as F

    done = session.read.parquet(f"{job.unfinished}/part-*")
    good = done.where(F.col("error").isNull())
    for kind, name in job.outputs:
        if kind is OutputFormat.parquet:
            mention_rows(good).drop("error").write.mode("overwrite").parquet(name)
        elif kind is OutputFormat.jsonl:
            text = ["text"] if job.with_text else []
            lines = good.select(F.col("note_id").alias("id"), *text, "entities")
            lines.write.mode("overwrite").json(name)
        elif kind is OutputFormat.tsv:
            _write_tsv(good, name, Tsv(with_attributes=job.with_attributes).header)
        else:
            _write_omop(good, name)
    counted = done.agg(
        F.count("*"), F.count("error"), F.sum(F.when(F.col("error").isNull(), F.size("entities")))
    )
    [(notes, failed, mentions)] = counted.collect()
    summary = Summary(notes - failed, failed, mentions or 0)
    if failed:
        bad = done.where(F.col("error").isNotNull())
        reasons = bad.select(F.col("note_id").alias("id"), F.col("error").alias("reason"))
        reasons.coalesce(1).write.mode("overwrite").json(f"{job.folder}/{ERRORS}")
    finished = datetime.now().isoformat(timespec="seconds")
    counts = {"notes": notes - failed, "errors": failed, "mentions": summary.mentions}
    record = {**about, "finished": finished, "counts": counts}
    files.write(f"{job.folder}/{MANIFEST}", json.dumps(record, indent=1))
    files.delete(job.unfinished)
    return summary


def _write_tsv(good: DataFrame, name: str, header: Sequence[str]) -> None:
    """The task's table, without quoting: what would need it was made a space."""
    from pyspark.sql import functions as F

    rows = good.select(F.explode("tsv").alias("row"))
    table = rows.select(*(F.col("row")[i].alias(column) for i, column in enumerate(header)))
    table.write.mode("overwrite").csv(
        name, sep="\t", header=True, quote="", escapeQuotes=False, emptyValue="", **EXACT
    )


def _write_omop(good: DataFrame, name: str) -> None:
    """NOTE_NLP's rows, with ids that are unique but not in a row."""
    from pyspark.sql import functions as F

    rows = good.select(F.explode("note_nlp").alias("row")).select("row.*")
    numbered = rows.withColumn("note_nlp_id", F.monotonically_increasing_id() + 1)
    if name.rstrip("/").endswith(".parquet"):
        numbered.write.mode("overwrite").parquet(name)
    else:
        numbered.write.mode("overwrite").csv(
            name,
            header=True,
            escape='"',
            quoteAll=True,
            timestampFormat="yyyy-MM-dd HH:mm:ss",
            **EXACT,
        )


class _Files:
    """The file system that Spark writes to."""

    def __init__(self, session: SparkSession) -> None:
        context = session.sparkContext
        self.jvm: Any = context._jvm
        self.settings: Any = context._jsc.hadoopConfiguration()

    def _open(self, name: str) -> tuple[Any, Any]:
        path = self.jvm.org.apache.hadoop.fs.Path(name)
        return path.getFileSystem(self.settings), path

    def full(self, name: str) -> str:
        """The whole path, with its file system."""
        system, path = self._open(name)
        return str(system.makeQualified(path).toString())

    def is_folder(self, name: str) -> bool:
        system, path = self._open(name)
        return bool(system.exists(path) and system.getFileStatus(path).isDirectory())

    def exists(self, name: str) -> bool:
        system, path = self._open(name)
        return bool(system.exists(path))

    def delete(self, name: str) -> None:
        system, path = self._open(name)
        system.delete(path, True)

    def read(self, name: str) -> str:
        system, path = self._open(name)
        stream = system.open(path)
        try:
            return str(self.jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8"))
        finally:
            stream.close()

    def write(self, name: str, text: str) -> None:
        """Write a file that takes its name when it is whole."""
        system, path = self._open(f"{name}.partial")
        stream = system.create(path, True)
        stream.write(bytearray(text.encode()))
        stream.close()
        system.delete(self._open(name)[1], False)
        system.rename(path, self._open(name)[1])
