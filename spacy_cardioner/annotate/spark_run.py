"""A run on a Spark session: read, annotate part by part, write with Spark's own writers.

What is found goes to a folder beside the first output first, ``OUT.unfinished``, part by part; the
outputs are written from there when all parts are done. Spark says that a part is whole by the file
``_SUCCESS`` in it. Paths are Spark's own: local ones, or those of HDFS, S3 and so on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacy_cardioner import __version__
from spacy_cardioner.annotate.extras import needs
from spacy_cardioner.annotate.local import Settings, identity, load
from spacy_cardioner.annotate.manifest import ERRORS, MANIFEST, Manifest, software
from spacy_cardioner.annotate.readers import InputFormat, kind_of
from spacy_cardioner.annotate.run import Summary
from spacy_cardioner.annotate.spark import mention_rows, per_note
from spacy_cardioner.annotate.writers import Omop, OutputFormat
from spacy_cardioner.errors import CardionerError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass
class SparkJob:
    """What is to be done; as `run.Job`, with names in the place of paths.

    source (str): A file, folder or pattern.
    outputs (Sequence[tuple[OutputFormat, str]]): Folders to be written.
    """

    source: str
    settings: Settings
    outputs: Sequence[tuple[OutputFormat, str]]
    kind: InputFormat | None = None
    text: str | None = None
    note_id: str | None = None
    recursive: bool = False
    max_errors: int | None = None
    part_size: int | None = None
    resume: bool = False
    overwrite: bool = False

    @property
    def unfinished(self) -> str:
        """Where the parts are until all are done."""
        return f"{self.outputs[0][1].rstrip('/')}.unfinished"


def run_spark(job: SparkJob) -> Summary:
    """Annotate all notes, and write what is found.

    RAISES (CardionerError): pyspark is not installed, the pipeline cannot be loaded here, too many
        notes failed, or the run cannot be resumed.
    """
    with needs("pyspark", "spark"):
        from pyspark.sql import SparkSession
    own = SparkSession.getActiveSession() is None
    session = SparkSession.builder.appName("cardioner annotate").getOrCreate()
    try:
        return _run(job, session)
    finally:
        if own:  # or its executors are started again and again while the program ends
            session.stop()


def _run(job: SparkJob, session: SparkSession) -> Summary:
    files = _Files(session)
    if (done := _finished(job, files)) is not None:
        return done
    _refuse(job, files)
    frame = read(session, job)
    rows = frame.count()
    about = {
        "software": software(),
        "model": identity(load(job.settings)),
        "inputs": {"input": job.source, "rows": rows},
        "options": {
            "outputs": [[kind.value, name] for kind, name in job.outputs],
            "part_size": job.part_size,
            "columns": [job.text, job.note_id],
        },
        "started": datetime.now().isoformat(timespec="seconds"),
    }
    about = _begin(job, files, about)
    parts = -(-rows // job.part_size) if job.part_size else 1
    for number in range(max(parts, 1)):
        _annotate_part(job, files, frame, about, number, parts)
    return _finish(job, session, files, about)


def read(session: SparkSession, job: SparkJob) -> DataFrame:
    """The notes, as Spark reads them; of text files the bytes."""
    from pyspark.sql import functions as F

    kind = job.kind or kind_of(job.source)
    if kind is None or kind is InputFormat.sql:
        raise CardionerError(f"{job.source}: say what it is with --input-format, other than sql")
    reader = session.read.option("recursiveFileLookup", str(job.recursive).lower())
    if kind is InputFormat.parquet:
        # Looking into all folders would take partitions for plain folders.
        return session.read.parquet(job.source)
    if kind is InputFormat.jsonl:
        return reader.json(job.source)
    if kind is InputFormat.csv:
        sep = "\t" if re.search(r"\.tsv\b", job.source) else ","
        return reader.csv(job.source, sep=sep, header=True, multiLine=True, escape='"')
    found = reader.format("binaryFile").option("pathGlobFilter", "*.txt").load(job.source)
    name = F.regexp_extract("path", r"([^/]+)\.txt$", 1)
    return found.select(name.alias("note_id"), F.col("content").alias("note_text"))


def _finished(job: SparkJob, files: _Files) -> Summary | None:
    """What came of a run that has nothing left to be resumed."""
    record = f"{job.outputs[0][1]}/{MANIFEST}"
    if not job.resume or files.exists(job.unfinished) or not files.exists(record):
        return None
    counts = json.loads(files.read(record))["counts"]
    return Summary(counts["notes"], counts["errors"], counts["mentions"])


def _refuse(job: SparkJob, files: _Files) -> None:
    """RAISES (CardionerError): There is something that must not be overwritten."""
    folder = job.outputs[0][1]
    begun = files.exists(f"{job.unfinished}/{MANIFEST}")
    if begun and not (job.resume or job.overwrite):
        raise CardionerError(
            f"{folder}: a run was stopped here; --resume goes on with it, --overwrite starts again"
        )
    if not begun and not job.overwrite:
        for _, name in job.outputs:
            if files.exists(name):
                raise CardionerError(f"{name}: this is here already; --overwrite starts again")


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
    frame: DataFrame,
    about: dict[str, Any],
    number: int,
    parts: int,
) -> None:
    """Annotate the notes of a part, which their ids tell, unless it is done."""
    from pyspark.sql import functions as F

    path = f"{job.unfinished}/part-{number:05}"
    if not files.exists(f"{path}/_SUCCESS"):
        notes = per_note(
            frame,
            job.settings,
            text=job.text,
            note_id=job.note_id,
            omop=_omop(job, about),
            only=(number, parts) if parts > 1 else None,
        )
        notes.write.mode("overwrite").parquet(path)
    if job.max_errors is not None:
        done = frame.sparkSession.read.parquet(f"{job.unfinished}/part-*")
        failed = done.where(F.col("error").isNotNull()).count()
        if failed > job.max_errors:
            raise CardionerError(f"{failed} notes failed, more than --max-errors {job.max_errors}")


def _omop(job: SparkJob, about: dict[str, Any]) -> Omop | None:
    if not any(kind is OutputFormat.omop for kind, _ in job.outputs):
        return None
    model = about["model"]
    system = f"{model['name']} {model['version']} (spacy_cardioner {__version__})"
    return Omop(system=system, when=datetime.fromisoformat(about["started"]))


def _finish(job: SparkJob, session: SparkSession, files: _Files, about: dict[str, Any]) -> Summary:
    """Write the outputs from the parts, and remove these."""
    from pyspark.sql import functions as F

    done = session.read.parquet(f"{job.unfinished}/part-*")
    good = done.where(F.col("error").isNull())
    for kind, name in job.outputs:
        if kind is OutputFormat.parquet:
            mention_rows(good).drop("error").write.mode("overwrite").parquet(name)
        elif kind is OutputFormat.jsonl:
            lines = good.select(F.col("note_id").alias("id"), "entities")
            lines.write.mode("overwrite").json(name)
        else:
            _write_omop(good, name)
    counted = done.agg(
        F.count("*"), F.count("error"), F.sum(F.when(F.col("error").isNull(), F.size("entities")))
    )
    [(notes, failed, mentions)] = counted.collect()
    summary = Summary(notes - failed, failed, mentions or 0)
    folder = job.outputs[0][1]
    if failed:
        bad = done.where(F.col("error").isNotNull())
        reasons = bad.select(F.col("note_id").alias("id"), F.col("error").alias("reason"))
        reasons.coalesce(1).write.mode("overwrite").json(f"{folder}/{ERRORS}")
    finished = datetime.now().isoformat(timespec="seconds")
    counts = {"notes": notes - failed, "errors": failed, "mentions": summary.mentions}
    record = {**about, "finished": finished, "counts": counts}
    files.write(f"{folder}/{MANIFEST}", json.dumps(record, indent=1))
    files.delete(job.unfinished)
    return summary


def _write_omop(good: DataFrame, name: str) -> None:
    """NOTE_NLP's rows, with ids that are unique but not in a row."""
    from pyspark.sql import functions as F

    rows = good.select(F.explode("note_nlp").alias("row")).select("row.*")
    numbered = rows.withColumn("note_nlp_id", F.monotonically_increasing_id() + 1)
    if name.rstrip("/").endswith(".parquet"):
        numbered.write.mode("overwrite").parquet(name)
    else:
        numbered.write.mode("overwrite").csv(name, header=True, escape='"', quoteAll=True)


class _Files:
    """The file system that Spark writes to."""

    def __init__(self, session: SparkSession) -> None:
        context = session.sparkContext
        self.jvm: Any = context._jvm
        self.settings: Any = context._jsc.hadoopConfiguration()

    def _open(self, name: str) -> tuple[Any, Any]:
        path = self.jvm.org.apache.hadoop.fs.Path(name)
        return path.getFileSystem(self.settings), path

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
