"""The Spark engine on a real local cluster of two executors, each with processes of its own."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from spacy_cardioner.annotate.api import annotate
from spacy_cardioner.annotate.local import Settings
from spacy_cardioner.annotate.writers import OutputFormat
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.tokenizer import blank

pytest.importorskip("pyspark", reason='needs "spacy_cardioner[spark]"')
if shutil.which("java") is None:
    pytest.skip("Spark needs Java", allow_module_level=True)

from spacy_cardioner.annotate.spark_run import SparkJob, run_spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow

NOTES = [
    {"id": str(i), "text": None if i % 10 == 7 else f"Nota {i} 🫀.\r\nToma bisoprolol."}
    for i in range(40)
]
GOOD = sorted(note["id"] for note in NOTES if note["text"])
BAD = sorted(note["id"] for note in NOTES if not note["text"])


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master("local-cluster[2,1,1024]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    nlp = blank("es")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "FARMACO", "pattern": "bisoprolol"}])
    path = tmp_path_factory.mktemp("model") / "es_test"
    nlp.to_disk(path)
    return str(path)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes.jsonl"
    path.write_text("".join(json.dumps(note) + "\n" for note in NOTES), encoding="utf-8")
    return path


def job(model: str, notes: Path, out: Path, **options: Any) -> SparkJob:
    outputs = [
        (OutputFormat.parquet, str(out / "found")),
        (OutputFormat.jsonl, str(out / "lines")),
        (OutputFormat.omop, str(out / "note_nlp")),
    ]
    return SparkJob(str(notes), Settings(model), outputs, **{"part_size": 20, **options})


def read(folder: Path, ending: str) -> list[str]:
    """The lines of all parts that Spark wrote."""
    assert (folder / "_SUCCESS").exists()
    return [
        line
        for path in sorted(folder.glob(f"part-*.{ending}"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def check(out: Path) -> None:
    """Whether each note is there just once, in every output."""
    from pyarrow import parquet

    rows = parquet.read_table(out / "found").to_pylist()
    assert sorted(row["note_id"] for row in rows) == GOOD
    texts = {note["id"]: note["text"] for note in NOTES}
    assert all(str(texts[r["note_id"]])[r["start"] : r["end"]] == r["text"] for r in rows)
    lines = [json.loads(line) for line in read(out / "lines", "json")]
    assert sorted(line["id"] for line in lines) == GOOD
    assert set(lines[0]["entities"][0]) == {"start", "end", "label", "text"}
    omop = [
        row for row in csv.DictReader(read(out / "note_nlp", "csv")) if row["note_id"].isdigit()
    ]
    assert sorted(row["note_id"] for row in omop) == GOOD
    assert len({row["note_nlp_id"] for row in omop}) == len(GOOD)
    errors = [json.loads(line) for line in read(out / "found" / "_errors.jsonl", "json")]
    assert sorted(error["id"] for error in errors) == BAD
    assert {error["reason"] for error in errors} == {"no text (null)"}
    assert not (out / "found.unfinished").exists()


def test_a_run_stopped_between_its_parts_is_resumed(
    spark: SparkSession, model: str, notes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(CardionerError, match="notes failed, more than --max-errors 0"):
        run_spark(job(model, notes, out, max_errors=0))
    first = out / "found.unfinished" / "part-00000"
    made = (first / "_SUCCESS").stat().st_mtime_ns
    # What a kill leaves of the next part: files, and no word that they are all.
    second = out / "found.unfinished" / "part-00001"
    shutil.copytree(first, second)
    (second / "_SUCCESS").unlink()

    with pytest.raises(CardionerError, match="a run was stopped here; --resume"):
        run_spark(job(model, notes, out))
    with pytest.raises(CardionerError, match="the options changed"):
        run_spark(job(model, notes, out, part_size=10, resume=True))
    assert (first / "_SUCCESS").stat().st_mtime_ns == made
    summary = run_spark(job(model, notes, out, resume=True))
    assert (summary.annotated, summary.failed, summary.mentions) == (36, 4, 36)
    check(out)

    assert run_spark(job(model, notes, out, resume=True)) == summary
    with pytest.raises(CardionerError, match="this is here already"):
        run_spark(job(model, notes, out))
    run_spark(job(model, notes, out, part_size=None, overwrite=True))
    check(out)


def test_a_frame_has_the_rows_that_pandas_gets(spark: SparkSession, model: str) -> None:
    import pandas as pd

    table = spark.createDataFrame(
        [(note["id"], note["text"]) for note in NOTES], "id string, text string"
    )
    theirs = annotate(table, model).toPandas().sort_values("note_id", ignore_index=True)
    ours = annotate(pd.DataFrame(NOTES), model).sort_values("note_id", ignore_index=True)
    assert theirs.astype(ours.dtypes).equals(ours)
    with pytest.raises(CardionerError, match="needs? a column of ids"):
        annotate(table.select("text"), model)


def test_a_command_that_is_killed_is_resumed(model: str, notes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "spacy_cardioner", "annotate", str(notes), "-m", model]
    command += ["--engine", "spark", "--part-size", "8", "--resume", "--lenient"]
    for kind, name in job(model, notes, out).outputs:
        command += ["-f", kind.value, "-o", name]
    master = "--master local-cluster[2,1,1024] --conf spark.ui.enabled=false pyspark-shell"
    environment = {**os.environ, "PYSPARK_SUBMIT_ARGS": master, "PYSPARK_PYTHON": sys.executable}
    # A session of its own, so that Spark's processes die with it.
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    second = out / "found.unfinished" / "part-00001" / "_SUCCESS"
    while process.poll() is None and not second.exists():
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was done before it could be killed"
    made = second.stat().st_mtime_ns
    assert not (out / "found").exists()

    resumed = subprocess.Popen(command, env=environment, start_new_session=True)
    while resumed.poll() is None and not (out / "found").exists():
        assert not second.exists() or second.stat().st_mtime_ns == made
        time.sleep(0.05)
    assert resumed.wait() == 0
    check(out)
