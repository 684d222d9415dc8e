"""Columns of the input that are written with the mentions: from every reader, to every format."""

from __future__ import annotations

import csv
import datetime
import json
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language

from spacy_cardioner.batch.manifest import Reading
from spacy_cardioner.batch.readers import Source, SourceNote, open_source
from spacy_cardioner.batch.readers.columns import Columns, Wanted, choose, row_note
from spacy_cardioner.batch.readers.note import checked, kept_text
from spacy_cardioner.batch.run import Job, run
from spacy_cardioner.batch.settings import Settings
from spacy_cardioner.batch.writers import Output, OutputFormat
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.tokenizer import blank

DAY = datetime.date(2020, 1, 31)
ROWS: list[dict[str, Any]] = [
    {"id": "a", "text": "Toma bisoprolol y bisoprolol.", "person_id": 7, "date": DAY},
    {"id": "b", "text": "Niega tos.", "person_id": 8, "date": DAY},
    {"id": "c", "text": "Toma bisoprolol.", "person_id": None, "date": None},
]
KEEP = ["person_id", "date"]


@pytest.fixture(scope="module")
def nlp() -> Language:
    nlp = blank("es")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "FARMACO", "pattern": "bisoprolol"}])
    return nlp


def jsonl(path: Path) -> str:
    path.write_text("".join(json.dumps(row, default=str) + "\n" for row in ROWS), encoding="utf-8")
    return str(path)


def delimited(path: Path) -> str:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ROWS[0])
        writer.writeheader()
        writer.writerows(ROWS)
    return str(path)


def parquet(path: Path) -> str:
    pa = pytest.importorskip("pyarrow", reason='needs "spacy_cardioner[parquet]"')
    import pyarrow.parquet

    pyarrow.parquet.write_table(pa.Table.from_pylist(ROWS), path)
    return str(path)


def sql(path: Path) -> str:
    pytest.importorskip("sqlalchemy", reason='needs "spacy_cardioner[omop]"')
    with sqlite3.connect(path) as connection:
        connection.execute("create table note (id text, text text, person_id int, date text)")
        values = [tuple(str(v) if v is DAY else v for v in row.values()) for row in ROWS]
        connection.executemany("insert into note values (?, ?, ?, ?)", values)
    connection.close()
    return f"sqlite:///{path}"


def opened(kind: str, tmp_path: Path, keep: list[str] = KEEP) -> Source:
    makers = {"jsonl": jsonl, "csv": delimited, "parquet": parquet, "sql": sql}
    return open_source(makers[kind](tmp_path / f"notes.{kind}"), keep=keep)


def annotated(nlp: Language, source: Source, tmp_path: Path, **options: Any) -> dict[str, Path]:
    paths = {kind: tmp_path / f"found.{kind}" for kind in ("jsonl", "tsv", "parquet")}
    outputs = [Output(OutputFormat(kind), path) for kind, path in paths.items()]
    run(Job(source, Settings(nlp), outputs, **options))
    return paths


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet", "sql"])
def test_columns_go_from_every_reader_to_every_format(
    nlp: Language, tmp_path: Path, kind: str
) -> None:
    read_table = pytest.importorskip("pyarrow.parquet").read_table
    paths = annotated(nlp, opened(kind, tmp_path), tmp_path)
    lines = [json.loads(line) for line in paths["jsonl"].read_bytes().splitlines()]
    assert [list(line) for line in lines] == [["id", *KEEP, "entities"]] * 3
    number: Any = "7" if kind == "csv" else 7
    missing = "" if kind == "csv" else None
    assert [line["person_id"] for line in lines] == [number, type(number)(8), missing]
    assert [line["date"] for line in lines] == ["2020-01-31", "2020-01-31", missing]
    header, *rows = [
        line.split("\t") for line in paths["tsv"].read_text(encoding="utf-8").splitlines()
    ]
    assert header[5:] == KEEP
    assert [[row[0], *row[5:]] for row in rows] == [
        ["a", "7", "2020-01-31"], ["a", "7", "2020-01-31"], ["c", "", ""]
    ]  # fmt: skip
    table = read_table(paths["parquet"])
    assert table.column_names[-2:] == KEEP
    typed = kind == "parquet"
    assert list(map(str, table.schema.types[-2:])) == (
        ["int64", "date32[day]"] if typed else ["string", "string"]
    )
    seven, day = (7, DAY) if typed else ("7", "2020-01-31")
    assert [(row["person_id"], row["date"]) for row in table.to_pylist()] == [
        (seven, day), (seven, day), (missing, missing)
    ]  # fmt: skip


def test_partitions_are_columns_to_keep(nlp: Language, tmp_path: Path) -> None:
    (tmp_path / "in/year=2024").mkdir(parents=True)
    parquet(tmp_path / "in/year=2024/p.parquet")
    source = open_source(str(tmp_path / "in"), keep=["year", "date"])
    assert source.columns.keep == {"year": "string", "date": "date32[day]"}
    assert [note.kept for note in source] == [("2024", DAY), ("2024", DAY), ("2024", None)]


def test_types_that_differ_between_files_become_text(nlp: Language, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason='needs "spacy_cardioner[parquet]"')
    import pyarrow.parquet

    folder = tmp_path / "in"
    folder.mkdir()
    for name, value in {"a": 7, "b": "x7"}.items():
        row = {"id": name, "text": "Toma bisoprolol.", "person_id": value}
        pyarrow.parquet.write_table(pa.Table.from_pylist([row]), folder / f"{name}.parquet")
    source = open_source(str(folder), keep=["person_id"])
    paths = annotated(nlp, source, tmp_path)
    table = pyarrow.parquet.read_table(paths["parquet"])
    assert table["person_id"].to_pylist() == ["7", "x7"]


def test_the_id_may_be_kept_by_its_own_name(tmp_path: Path, nlp: Language) -> None:
    source = open_source(jsonl(tmp_path / "n.jsonl"), note_id="person_id", keep=["id", "id"])
    assert [note.kept for note in source] == [("a",), ("b",), ("c",)]
    out = Output(OutputFormat.parquet, tmp_path / "out.parquet")
    run(Job(source, Settings(nlp), [out]))


@pytest.mark.parametrize(
    "kind, column", [("jsonl", "entities"), ("jsonl", "ID"), ("tsv", "Label"), ("parquet", "score")]
)
def test_a_column_that_the_output_has_too_is_refused(
    nlp: Language, tmp_path: Path, kind: str, column: str
) -> None:
    path = tmp_path / "n.jsonl"
    path.write_text(json.dumps({"note_id": 1, "text": "bien", column: 1}), encoding="utf-8")
    out = Output(OutputFormat(kind), tmp_path / "out")
    with pytest.raises(CardionerError, match=f"has a column {column.lower()} of its own"):
        run(Job(open_source(str(path), keep=[column]), Settings(nlp), [out]))
    assert not out.path or not out.path.exists()


def test_columns_that_differ_in_case_are_refused(nlp: Language, tmp_path: Path) -> None:
    path = tmp_path / "n.jsonl"
    path.write_text('{"id": 1, "text": "bien", "A": 1, "a": 2}', encoding="utf-8")
    out = Output(OutputFormat.jsonl, tmp_path / "out")
    with pytest.raises(CardionerError, match="differ only in upper and lower case"):
        run(Job(open_source(str(path), keep=["A", "a"]), Settings(nlp), [out]))


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet", "sql"])
def test_a_column_that_is_not_there_is_said(tmp_path: Path, kind: str) -> None:
    with pytest.raises(CardionerError) as caught:
        opened(kind, tmp_path, ["Pérez"])
    assert "no column has the name that --keep gives; there are 4 columns" in str(caught.value)
    assert "Pérez" not in str(caught.value)


def test_a_column_that_is_there_twice_is_refused() -> None:
    names = ["id", "text", "date", "date"]
    with pytest.raises(CardionerError, match="2 of its columns have the name of a column to keep"):
        choose("t", names, Wanted(keep=("date",)))


def test_a_run_is_resumed_only_with_the_same_columns(nlp: Language, tmp_path: Path) -> None:
    def again(keep: list[str]) -> None:
        out = Output(OutputFormat.jsonl, tmp_path / "out")
        source = opened("jsonl", tmp_path, keep)
        run(Job(source, Settings(nlp), [out], part_size=2, resume=True))

    again(KEEP)
    again(KEEP)
    for other in ([], ["date", "person_id"], ["date"]):
        with pytest.raises(CardionerError, match="the options changed"):
            again(other)


def test_values_to_keep_are_part_of_what_was_read() -> None:
    sums = set()
    for kept in ((), ("",), ("a",), ("a", ""), (1,), (None, "a")):
        reading = Reading()
        reading.add(SourceNote("1", "bien", kept=kept))
        sums.add(str(reading))
    assert len(sums) > 4


@pytest.mark.parametrize(
    "value, text",
    [
        *((None, ""), ("a", "a"), (7, "7"), (7.0, "7"), (7.5, "7.5"), (True, "true")),
        *((Decimal("7.00"), "7"), (Decimal("7.25"), "7.25"), (DAY, "2020-01-31")),
        *(([1, "é"], '[1, "é"]'), ({"a": DAY}, '{"a": "2020-01-31"}'), (b"a\xff", "a\udcff")),
    ],
)
def test_how_values_are_spelled(value: object, text: str) -> None:
    assert kept_text(value) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(values=st.lists(JSON | st.binary() | st.dates() | st.decimals(), max_size=3))
def test_any_values_can_be_written_or_are_a_fault(values: list[Any]) -> None:
    columns = Columns("text", "id", {str(index): "string" for index in range(len(values))})
    row = {"id": 1, "text": "bien", **dict(zip(columns.keep, values, strict=True))}
    note = row_note(columns, "n.csv, row 1", "", row)
    if note.fault:
        assert note == ("1", "", "a column to keep is not UTF-8", "n.csv, row 1", ())
    else:
        assert len(note.kept) == len(values)
        assert b"".join(kept_text(value).encode() for value in note.kept) is not None


def test_a_note_with_a_fault_keeps_its_values() -> None:
    assert checked("1", None, "", "", [7]).kept == (7,)
