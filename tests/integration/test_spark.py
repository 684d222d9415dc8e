"""The Spark engine on a local cluster of two executors, each with its own processes."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import json
import lzma
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from spacy_cardioner import annotate, brat
from spacy_cardioner.batch.manifest import Counts
from spacy_cardioner.batch.readers import InputFormat, open_source
from spacy_cardioner.batch.readers.columns import Wanted, choose
from spacy_cardioner.batch.settings import Settings
from spacy_cardioner.batch.writers import OutputFormat
from spacy_cardioner.batch.writers.lines import Tsv
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.tokenizer import blank

pytest.importorskip("pyspark", reason='needs "spacy_cardioner[spark]"')
if shutil.which("java") is None:
    pytest.skip("Spark needs Java", allow_module_level=True)

from spacy_cardioner.batch.spark import read_notes, run_spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow

NOTES: list[dict[str, str | None]] = [
    {"id": str(i), "text": f"Nota {i} 🫀.\r\nToma bisoprolol."} for i in range(40)
]
NOTES[3]["text"] = "Nota 3 🫀.\r\nSin nada."
NOTES[7]["text"] = NOTES[17]["text"] = None
NOTES[27]["text"] = NOTES[37]["text"] = " \n"
BAD = ["17", "27", "37", "7"]
GOOD = sorted({str(note["id"]) for note in NOTES} - {*BAD})
FOUND = [note_id for note_id in GOOD if note_id != "3"]
FORMATS = {
    "found": OutputFormat.parquet,
    "lines": OutputFormat.jsonl,
    "note_nlp": OutputFormat.omop,
    "table": OutputFormat.tsv,
    "omop.parquet": OutputFormat.omop,
}
MASTER = "local-cluster[2,1,1024]"


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master(MASTER)
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


def run(
    spark: SparkSession,
    model: str,
    source: Path,
    out: Path,
    *,
    formats: dict[str, OutputFormat] = FORMATS,
    kind: InputFormat | None = None,
    **options: Any,
) -> Counts:
    notes = read_notes(spark, str(source), kind, recursive=True)
    columns = choose(str(source), notes.columns, needs_id=True)
    outputs = [(kind, str(out / name)) for name, kind in formats.items()]
    return run_spark(notes, columns, Settings(model), outputs, **options)


def written(folder: Path) -> list[str]:
    """The parts that Spark wrote."""
    assert (folder / "_SUCCESS").exists()
    return [path.read_bytes().decode() for path in sorted(folder.glob("part-*"))]


def json_lines(folder: Path) -> list[dict[str, Any]]:
    # Not `splitlines`: a text may hold U+2028.
    return [json.loads(line) for part in written(folder) for line in part.split("\n") if line]


def csv_rows(folder: Path) -> list[dict[str, str]]:
    parts = written(folder)
    return [row for part in parts for row in csv.DictReader(io.StringIO(part, newline=""))]


def check(out: Path) -> None:
    """Whether each note is in every output once."""
    from pyarrow import parquet

    rows = parquet.read_table(out / "found").to_pylist()
    assert sorted(row["note_id"] for row in rows) == FOUND
    texts = {note["id"]: note["text"] for note in NOTES}
    assert all(str(texts[r["note_id"]])[r["start"] : r["end"]] == r["text"] for r in rows)
    lines = json_lines(out / "lines")
    assert sorted(line["id"] for line in lines) == GOOD
    entities = [entity for line in lines for entity in line["entities"]]
    assert {frozenset(entity) for entity in entities} == {
        frozenset({"start", "end", "label", "text"})
    }
    omop = csv_rows(out / "note_nlp")
    assert sorted(row["note_id"] for row in omop) == FOUND
    assert len({row["note_nlp_id"] for row in omop}) == len(FOUND)
    assert omop[0]["nlp_datetime"][10] == " "
    typed = parquet.read_table(out / "omop.parquet").to_pylist()
    assert sorted(str(row["note_id"]) for row in typed) == FOUND
    assert {row["nlp_datetime"].date() for row in typed} == {row["nlp_date"] for row in typed}
    table = [line.split("\t") for part in written(out / "table") for line in part.split("\n")[:-1]]
    assert table[0] == list(brat.TSV_HEADER)
    assert sorted(row[0] for row in table if row != table[0]) == FOUND
    errors = json_lines(out / "found" / "_errors.jsonl")
    assert sorted(error["id"] for error in errors) == BAD
    assert {error["reason"] for error in errors} == {"no text (null)", "empty"}


def test_a_run_writes_every_format(
    spark: SparkSession, model: str, notes: Path, tmp_path: Path
) -> None:
    from pyspark.errors import AnalysisException

    out = tmp_path / "out"
    with pytest.raises(CardionerError, match="4 notes failed, more than --max-errors 3"):
        run(spark, model, notes, out, max_errors=3)
    assert not out.exists()
    summary = run(spark, model, notes, out, max_errors=4)
    assert summary == Counts(notes=36, errors=4, mentions=35)
    check(out)
    with pytest.raises(AnalysisException, match="PATH_ALREADY_EXISTS"):
        run(spark, model, notes, out)
    assert run(spark, model, notes, out, overwrite=True) == summary
    check(out)


def test_notes_without_faults_have_no_list_of_errors(
    spark: SparkSession, model: str, tmp_path: Path
) -> None:
    source = tmp_path / "notes.parquet"
    spark.createDataFrame([("1", "bisoprolol")], "id string, text string").write.parquet(
        str(source)
    )
    assert run(spark, model, source, tmp_path / "out") == Counts(notes=1, mentions=1)
    assert not (tmp_path / "out" / "found" / "_errors.jsonl").exists()


def test_the_input_is_never_overwritten(
    spark: SparkSession, model: str, notes: Path, tmp_path: Path
) -> None:
    before = notes.read_bytes()
    for out, name in ((notes.parent, notes.name), (notes.parent.parent, notes.parent.name)):
        with pytest.raises(CardionerError, match="is, holds or lies in"):
            run(spark, model, notes, out, formats={name: OutputFormat.jsonl}, overwrite=True)
    assert notes.read_bytes() == before


ODD = [
    "bisoprolol",
    "\ufeffbisoprolol 🫀\r\ne\u0301 bisoprolol",
    "\u2028bisoprolol\u2028\x85 𝒜 bisoprolol\x0b",
    '"bisoprolol" \\bisoprolol\\ ""bisoprolol""',
    "\x01bisoprolol\x1c \x7fbisoprolol",
    "bisoprolol\r\nbisoprolol\n\rbisoprolol\tbisoprolol",
    "#bisoprolol, 'bisoprolol'; bisoprolol|bisoprolol",
]


def test_offsets_hold_in_every_format(spark: SparkSession, tmp_path: Path) -> None:
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
    out = tmp_path / "out"
    options = {"with_text": True, "with_attributes": True}
    summary = run(spark, str(tmp_path / "model"), source, out, **options)
    texts = {str(i): text for i, text in enumerate(ODD)}
    ours = list(annotate(texts.items(), nlp))
    expected = {(one.note.id, m.start, m.end, m.text) for one in ours for m in one.mentions}
    assert summary == Counts(notes=7, mentions=len(expected))

    from pyarrow import parquet

    rows = parquet.read_table(out / "found").to_pylist()
    assert {(r["note_id"], r["start"], r["end"], r["text"]) for r in rows} == expected
    lines = json_lines(out / "lines")
    assert {line["id"]: line["text"] for line in lines} == texts
    assert {
        (line["id"], e["start"], e["end"], e["text"]) for line in lines for e in line["entities"]
    } == expected
    tsv = Tsv(with_attributes=True)
    table = [row for part in written(out / "table") for row in part.split("\n")[1:-1]]
    assert sorted(table) == sorted("\t".join(row) for one in ours for row in tsv.rows(one))
    omop = {
        (row["note_id"], int(row["offset"]), row["lexical_variant"])
        for row in csv_rows(out / "note_nlp")
    }
    assert omop == {(one[0], one[1], one[3]) for one in expected}


@pytest.mark.parametrize("row", ["99", "98;one column;more"])
def test_a_csv_row_of_another_length_stops_the_run(
    spark: SparkSession, model: str, tmp_path: Path, row: str
) -> None:
    from py4j.protocol import Py4JError

    source = tmp_path / "notes.csv"
    source.write_text(f"id;text\n1;bisoprolol\n{row}\n", encoding="utf-8")
    with pytest.raises(Py4JError):
        run(spark, model, source, tmp_path / "out")
    assert not (tmp_path / "out" / "lines" / "_SUCCESS").exists()


@pytest.mark.parametrize(
    "header, row, message",
    [
        ("id;text", '99;"bisoprolol', r"notes\.csv: a quote is not closed"),
        ("id;text;Text", "99;a;b", "two columns have the same name"),
        ("id;text", '99;"a" b', ""),
        ("id;text", '99;"a"" b\n100;"c"', ""),
    ],
)
def test_a_csv_that_is_not_well_formed_is_an_error(
    spark: SparkSession, model: str, tmp_path: Path, header: str, row: str, message: str
) -> None:
    from py4j.protocol import Py4JError

    source = tmp_path / "notes.csv"
    source.write_text(f"{header}\n{row}\n1;bisoprolol\n", encoding="utf-8")
    with pytest.raises((CardionerError, Py4JError), match=message or None):
        run(spark, model, source, tmp_path / "out")
    assert not (tmp_path / "out" / "lines" / "_SUCCESS").exists()


def test_csv_files_have_the_same_header(spark: SparkSession, model: str, tmp_path: Path) -> None:
    from py4j.protocol import Py4JError

    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.csv").write_text("id;text\n1;bisoprolol\n")
    (folder / "b.csv").write_text("text;id\nbisoprolol;2\n")
    with pytest.raises(Py4JError):
        run(spark, model, folder, tmp_path / "out", kind=InputFormat.csv)
    (folder / "b.csv").write_text("id;text\n2;bisoprolol\n")
    counts = run(spark, model, folder, tmp_path / "again", kind=InputFormat.csv)
    assert counts == Counts(notes=2, mentions=2)


def test_ids_that_are_no_ids(spark: SparkSession, model: str) -> None:
    table = spark.createDataFrame([(7.0, "a"), (float("nan"), "b")], "id double, text string")
    found = annotate(table, model).toPandas()
    assert list(found.note_id.fillna("")) == [""]
    assert list(found.error) == ["no id"]
    table = table.selectExpr("array(id) as id", "text")
    with pytest.raises(CardionerError, match="neither texts nor numbers .array."):
        annotate(table, model)


def test_messages_and_logs_name_no_data(model: str, tmp_path: Path) -> None:
    source = tmp_path / "notes.csv"
    source.write_text("id,text\n1,a,ZOQUETE\n2,b\n", encoding="utf-8")
    command = [sys.executable, "-m", "spacy_cardioner", "annotate", str(source), "-m", model]
    command += ["-o", str(tmp_path / "out"), "-f", "tsv", "--engine", "spark"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "error: Spark: FAILED_READ_FILE" in done.stderr
    assert "ZOQUETE" not in done.stdout + done.stderr


def test_text_files_have_the_ids_that_the_other_engine_gives(
    spark: SparkSession, model: str, tmp_path: Path
) -> None:
    folder = tmp_path / "notes"
    for name, data in {
        "a.txt": b"\xef\xbb\xbfToma bisoprolol.",
        "2024/a b.txt.gz": gzip.compress(b"Toma\r\nbisoprolol."),
        "2025/a b.txt.xz": lzma.compress(b"bisoprolol"),
        "2026/C.TXT": b"Toma bisoprolol.",
        "D.Txt.GZ": gzip.compress(b"bisoprolol"),
        "broken.txt.gz": gzip.compress(b"bisoprolol" * 99)[:-9],
        "latin.txt": "ni\xf1o".encode("latin-1"),
        "read.me": b"bisoprolol",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    formats = {"lines": OutputFormat.jsonl}
    run(spark, model, folder, tmp_path, formats=formats, kind=InputFormat.text)
    ours = {
        found.note.id: [mention[:4] for mention in found.mentions]
        for found in annotate(open_source(str(folder), recursive=True), model)
        if not found.note.fault
    }
    assert ours == {
        line["id"]: [(e["start"], e["end"], e["label"], e["text"]) for e in line["entities"]]
        for line in json_lines(tmp_path / "lines")
    }
    assert sorted(ours) == ["2024/a b", "2025/a b", "2026/C", "D", "a"]
    errors = json_lines(tmp_path / "lines" / "_errors.jsonl")
    assert sorted(error["id"] for error in errors) == ["broken", "latin"]
    pattern = folder / "*" / "a*.txt.gz"
    run(spark, model, pattern, tmp_path / "pattern", formats=formats)
    assert [line["id"] for line in json_lines(tmp_path / "pattern/lines")] == ["2024/a b"]


def test_a_frame_has_the_rows_that_pandas_gets(spark: SparkSession, model: str) -> None:
    import pandas as pd

    table = spark.createDataFrame(
        [(note["id"], note["text"]) for note in NOTES], "id string, text string"
    )
    theirs = annotate(table, model).toPandas().sort_values("note_id", ignore_index=True)
    ours = annotate(pd.DataFrame(NOTES), model).sort_values("note_id", ignore_index=True)
    assert theirs.astype(ours.dtypes).equals(ours)
    with pytest.raises(CardionerError, match="needs a column of ids"):
        annotate(table.select("text"), model)


def cardioner(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command with a session of its own."""
    master = f"--master {MASTER} --conf spark.ui.enabled=false pyspark-shell"
    command = [sys.executable, "-m", "spacy_cardioner", "annotate", *map(str, arguments)]
    environment = {**os.environ, "PYSPARK_SUBMIT_ARGS": master, "PYSPARK_PYTHON": sys.executable}
    return subprocess.run(
        [*command, "--engine", "spark"], env=environment, capture_output=True, text=True
    )


def test_the_command(model: str, notes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    outputs = [a for name, kind in FORMATS.items() for a in ("-o", out / name, "-f", kind.value)]
    done = cardioner(notes, "-m", model, *outputs)
    assert done.returncode == 3, done.stderr
    assert "texts are read from the column text (--text-column)" in done.stderr
    assert "notes annotated: 36, skipped: 4; entities found: 35" in done.stderr
    assert f"listed in {out}/found/_errors.jsonl" in done.stderr
    check(out)

    done = cardioner(notes, "-m", model, *outputs, "--lenient")
    assert done.returncode == 1
    assert "error: Spark: PATH_ALREADY_EXISTS (" in done.stderr
    assert "Traceback" not in done.stderr
    assert cardioner(notes, "-m", model, *outputs, "--lenient", "--overwrite").returncode == 0
    check(out)


@pytest.mark.parametrize(
    ("source", "message"),
    [("no.jsonl", "error: Spark: PATH_NOT_FOUND ("), ("folder", "--input-format says")],
)
def test_what_cannot_be_read_is_named(
    model: str, tmp_path: Path, source: str, message: str
) -> None:
    done = cardioner(tmp_path / source, "-m", model, "-o", tmp_path / "out", "-f", "jsonl")
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_columns_are_kept_with_their_types(spark: SparkSession, model: str, tmp_path: Path) -> None:
    from pyarrow import parquet

    path = tmp_path / "notes.parquet"
    day = datetime.date(2020, 1, 31)
    rows = [
        {"id": 1.0, "text": "Toma bisoprolol.", "person_id": 2**60, "date": day, "a b": None},
        {"id": None, "text": "Toma bisoprolol.", "person_id": 7, "date": day, "a b": "x"},
        {"id": 3.0, "text": "Toma bisoprolol.", "person_id": None, "date": None, "a b": "\ty"},
        {"id": 3.0, "text": "Tos.", "person_id": None, "date": None, "a b": ""},
    ]
    spark.createDataFrame(
        [tuple(row.values()) for row in rows],
        "id double, text string, person_id bigint, date date, `a b` string",
    ).write.parquet(str(path))
    notes = read_notes(spark, str(path), None)
    columns = choose("t", notes.columns, Wanted(keep=("person_id", "date", "a b")), needs_id=True)
    outputs = [(kind, str(tmp_path / name)) for name, kind in FORMATS.items()]
    run_spark(notes, columns, Settings(model), outputs)
    found = sorted(
        parquet.read_table(tmp_path / "found").to_pylist(), key=lambda row: row["note_id"]
    )
    kept = [(row["note_id"], row["person_id"], row["date"], row["a b"]) for row in found]
    assert kept == [("1", 2**60, day, None), ("3", None, None, "\ty")]
    lines = sorted(json_lines(tmp_path / "lines"), key=lambda line: line["id"])
    assert lines[0]["person_id"] == 2**60
    assert lines[0]["date"] == "2020-01-31"
    assert [line["id"] for line in lines] == ["1", "3", "3"]
    header = written(tmp_path / "table")[0].split("\n")[0].split("\t")
    assert header[5:] == ["person_id", "date", "a b"]
    [error] = json_lines(tmp_path / "found" / "_errors.jsonl")
    assert error["reason"] == "no id"
    frame = annotate(notes, model, keep=["person_id", "a b"])
    assert dict(frame.dtypes)["person_id"] == "bigint"
    seen = sorted(tuple(row) for row in frame.select("note_id", "person_id").collect() if row[0])
    assert seen == [("1", 2**60), ("3", None)]
    with pytest.raises(CardionerError, match="has a column label of its own"):
        renamed = notes.withColumnRenamed("date", "label")
        annotate(renamed, model, keep=["label"])


def test_context_comes_along(spark: SparkSession, model: str) -> None:
    pytest.importorskip("medspacy", reason='needs "spacy_cardioner[context]"')
    table = spark.createDataFrame([("1", "Se suspende bisoprolol.")], "id string, text string")
    [row] = annotate(table, model, context=True).collect()
    assert row["negated"] is True


def test_text_files_have_an_encoding(spark: SparkSession, model: str, tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.txt").write_bytes("Niño. Toma bisoprolol.".encode("latin-1"))
    notes = read_notes(spark, str(folder), InputFormat.text, encoding="cp1252")
    columns = choose("t", notes.columns, needs_id=True)
    outputs = [(OutputFormat.jsonl, str(tmp_path / "lines"))]
    run_spark(notes, columns, Settings(model), outputs, encoding="cp1252", with_text=True)
    [line] = json_lines(tmp_path / "lines")
    assert line["text"] == "Niño. Toma bisoprolol."
    with pytest.raises(CardionerError, match="on Spark, --encoding is for text files"):
        read_notes(spark, "notes.csv", None, encoding="cp1252")
    with pytest.raises(CardionerError, match="JSON, not plain text"):
        read_notes(spark, "notes.json", None)
