"""The Spark engine on a real local cluster of two executors, each with processes of its own."""

from __future__ import annotations

import csv
import gzip
import io
import json
import lzma
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from spacy_cardioner import brat
from spacy_cardioner.batch.api import annotate
from spacy_cardioner.batch.readers import InputFormat, open_source
from spacy_cardioner.batch.settings import Settings
from spacy_cardioner.batch.writers import OutputFormat
from spacy_cardioner.batch.writers.lines import Tsv
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.tokenizer import blank

pytest.importorskip("pyspark", reason='needs "spacy_cardioner[spark]"')
if shutil.which("java") is None:
    pytest.skip("Spark needs Java", allow_module_level=True)

from spacy_cardioner.batch.spark_run import SparkJob, run_spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow

NOTES: list[dict[str, str | None]] = [
    {"id": str(i), "text": f"Nota {i} 🫀.\r\nToma bisoprolol."} for i in range(40)
]
NOTES[7]["text"] = NOTES[17]["text"] = None
NOTES[27]["text"] = NOTES[37]["text"] = " \n"
BAD = ["17", "27", "37", "7"]
GOOD = sorted({str(note["id"]) for note in NOTES} - {*BAD})


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
        (OutputFormat.tsv, str(out / "table")),
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
    assert omop[0]["nlp_datetime"][10] == " "
    header, *rows = (line.split("\t") for line in read(out / "table", "csv"))
    assert header == list(brat.TSV_HEADER)
    assert sorted(row[0] for row in rows if row != header) == GOOD
    errors = [json.loads(line) for line in read(out / "found" / "_errors.jsonl", "json")]
    assert sorted(error["id"] for error in errors) == BAD
    assert {error["reason"] for error in errors} == {"no text (null)", "empty"}
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
    with pytest.raises(CardionerError, match="the options changed"):
        run_spark(job(model, notes, out, with_text=True, resume=True))
    run_spark(job(model, notes, out, part_size=None, overwrite=True))
    check(out)
    assert executors(spark) >= 2


def executors(spark: SparkSession) -> int:
    """How many executors, which are processes of their own, have done something."""
    store = spark.sparkContext._jsc.sc().statusStore()  # type: ignore[union-attr]
    known = store.executorList(True)
    each = [known.apply(i) for i in range(known.size())]
    return sum(one.completedTasks() > 0 for one in each if one.id() != "driver")


def test_spark_never_overwrites_what_it_reads_or_has_not_written(
    spark: SparkSession, model: str, notes: Path, tmp_path: Path
) -> None:
    for name in (notes, notes.parent, notes / "out"):
        outputs = [(OutputFormat.jsonl, str(name))]
        with pytest.raises(CardionerError, match="the notes are read from here"):
            run_spark(SparkJob(str(notes), Settings(model), outputs, overwrite=True))
    mine = tmp_path / "mine" / "mine.txt"
    mine.parent.mkdir()
    mine.touch()
    outputs = [(OutputFormat.jsonl, str(mine.parent))]
    with pytest.raises(CardionerError, match="Spark has not written this"):
        run_spark(SparkJob(str(notes), Settings(model), outputs, overwrite=True))
    assert mine.exists()
    outputs = [(OutputFormat.jsonl, str(tmp_path / "out"))]
    with pytest.raises(CardionerError, match="^Spark: .*PATH_NOT_FOUND"):
        run_spark(SparkJob(str(tmp_path / "no.jsonl"), Settings(model), outputs))


ODD = [
    "bisoprolol",
    "\ufeffbisoprolol 🫀\r\ne\u0301 bisoprolol",
    "\u2028bisoprolol\u2028\x85 𝒜 bisoprolol\x0b",
    '"bisoprolol" \\bisoprolol\\ ""bisoprolol""',
    "\x01bisoprolol\x1c \x7fbisoprolol",
    "bisoprolol\r\nbisoprolol\n\rbisoprolol\tbisoprolol",
    "#bisoprolol, 'bisoprolol'; bisoprolol|bisoprolol",
]


def test_offsets_hold_in_every_format_of_spark(spark: SparkSession, tmp_path: Path) -> None:
    nlp = blank("es")
    word, any_word = {"TEXT": {"REGEX": "bisoprolol"}}, {"OP": "?"}
    nlp.add_pipe("entity_ruler").add_patterns(
        [{"label": "PAR", "pattern": [any_word, word, any_word, any_word]}]
    )
    nlp.to_disk(tmp_path / "model")
    source = tmp_path / "notes.csv"
    with source.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter=";", quoting=csv.QUOTE_ALL)
        writer.writerows([["id", "text"], *enumerate(ODD)])
        stream.write('"98";"one column";"more"\r\n"99"\r\n')
    out = tmp_path / "out"
    said: list[str] = []
    many = job(str(tmp_path / "model"), source, out, with_text=True, with_attributes=True)
    many.say = said.append
    summary = run_spark(many)
    assert [guess.split(" (")[0] for guess in said] == [
        "texts are read from the column text",
        "ids are from the column id",
    ]
    texts = dict(enumerate(ODD))
    ours = list(annotate([(str(i), text) for i, text in texts.items()], nlp))
    expected = {(one.note.id, m.start, m.end, m.text) for one in ours for m in one.mentions}
    assert (summary.annotated, summary.failed, summary.mentions) == (7, 2, len(expected))

    from pyarrow import parquet

    rows = parquet.read_table(out / "found").to_pylist()
    assert {(r["note_id"], r["start"], r["end"], r["text"]) for r in rows} == expected
    lines = [
        json.loads(line) for part in written(out / "lines") for line in part.split("\n") if line
    ]
    assert {line["id"]: line["text"] for line in lines} == {str(i): t for i, t in texts.items()}
    assert {
        (line["id"], e["start"], e["end"], e["text"]) for line in lines for e in line["entities"]
    } == expected
    tsv = Tsv(with_attributes=True)
    table = [row for part in written(out / "table") for row in part.split("\n")[1:-1]]
    assert sorted(table) == sorted("\t".join(row) for one in ours for row in tsv.rows(one))
    omop = {
        (row["note_id"], int(row["offset"]), row["lexical_variant"])
        for part in written(out / "note_nlp")
        for row in csv.DictReader(io.StringIO(part, newline=""))
    }
    assert omop == {(one[0], one[1], one[3]) for one in expected}
    errors = [json.loads(line) for line in read(out / "found" / "_errors.jsonl", "json")]
    assert sorted(error["id"] for error in errors) == ["98", "99"]


def written(folder: Path) -> list[str]:
    return [path.read_bytes().decode() for path in sorted(folder.glob("part-*"))]


def test_text_files_have_the_ids_that_the_other_engine_gives(
    spark: SparkSession, model: str, tmp_path: Path
) -> None:
    folder = tmp_path / "notes"
    for name, data in {
        "a.txt": b"\xef\xbb\xbfToma bisoprolol.",
        "2024/a b.txt.gz": gzip.compress(b"Toma\r\nbisoprolol."),
        "2025/a b.txt.xz": lzma.compress(b"bisoprolol"),
        "broken.txt.gz": gzip.compress(b"bisoprolol" * 99)[:-9],
        "latin.txt": "ni\xf1o".encode("latin-1"),
        "read.me": b"bisoprolol",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    out = tmp_path / "out"
    outputs = [(OutputFormat.jsonl, str(out))]
    many = SparkJob(str(folder), Settings(model), outputs, kind=InputFormat.text, recursive=True)
    run_spark(many)
    ours = {
        found.note.id: [mention[:4] for mention in found.mentions]
        for found in annotate(open_source(str(folder), recursive=True), model)
        if not found.note.fault
    }
    lines = [json.loads(line) for line in read(out, "json")]
    assert ours == {
        line["id"]: [(e["start"], e["end"], e["label"], e["text"]) for e in line["entities"]]
        for line in lines
    }
    assert sorted(ours) == ["2024/a b", "2025/a b", "a"]
    errors = [json.loads(line) for line in read(out / "_errors.jsonl", "json")]
    assert sorted(error["id"] for error in errors) == ["broken", "latin"]


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


def test_a_command_killed_at_random_moments_is_resumed(
    model: str, notes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "spacy_cardioner", "annotate", str(notes), "-m", model]
    command += ["--engine", "spark", "--part-size", "4", "--resume", "--lenient"]
    for kind, name in job(model, notes, out).outputs:
        command += ["-f", kind.value, "-o", name]
    master = "--master local-cluster[2,1,1024] --conf spark.ui.enabled=false pyspark-shell"
    environment = {**os.environ, "PYSPARK_SUBMIT_ARGS": master, "PYSPARK_PYTHON": sys.executable}
    moments = random.Random(7)
    unfinished = out / "found.unfinished"
    made: dict[Path, int] = {}
    for _ in range(3):
        # A session of its own, so that Spark's processes die with it.
        process = subprocess.Popen(command, env=environment, start_new_session=True)
        while process.poll() is None and whole(unfinished).keys() <= made.keys():
            time.sleep(0.05)
        time.sleep(moments.uniform(0, 2))
        assert process.poll() is None, "it was done before it could be killed"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert made.items() <= whole(unfinished).items()
        made = whole(unfinished)
    assert not (out / "found").exists()
    assert subprocess.run(command, env=environment).returncode == 0
    check(out)


def whole(unfinished: Path) -> dict[Path, int]:
    """When each part was whole."""
    return {path: path.stat().st_mtime_ns for path in unfinished.glob("part-*/_SUCCESS")}
