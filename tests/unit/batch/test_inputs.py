"""Inputs that are damaged, linked, doubled, endless or pipes: no note is lost, none comes twice."""

from __future__ import annotations

import gzip
import json
import math
import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spacy_cardioner.batch.api as api
from spacy_cardioner.batch.readers import InputFormat, SourceNote, open_source
from spacy_cardioner.batch.readers.columns import GUESSED, Columns
from spacy_cardioner.batch.readers.note import checked
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.texts import read_json, read_jsonl

SECRET = "Pérez"


def texts(source: str | Path, **options: Any) -> list[str]:
    return [note.text for note in notes(source, **options)]


def notes(source: str | Path, **options: Any) -> list[SourceNote]:
    opened = open_source(str(source), **options)
    found = list(opened)
    assert opened.total in (None, len(found))
    for count in range(len(found) + 1):
        assert list(opened.after(count)) == found[count:]
    assert SECRET not in str([note.fault for note in found])
    return found


def faults(source: str | Path, **options: Any) -> dict[str, str]:
    return {note.id: note.fault for note in notes(source, **options) if note.fault}


def message(source: str | Path, **options: Any) -> str:
    with pytest.raises(CardionerError) as caught:
        list(open_source(str(source), **options))
    assert SECRET not in str(caught.value)
    return str(caught.value)


@contextmanager
def fed(name: str | int, data: bytes) -> Iterator[None]:
    """Write to a pipe, as another process does."""

    def write() -> None:
        with open(name, "wb") as stream:
            stream.write(data)

    thread = threading.Thread(target=write)
    thread.start()
    yield
    thread.join(10)
    assert not thread.is_alive()


ROWS = [{"id": str(i), "text": f"nota {i} " + "a" * 900} for i in range(300)]
JSONL = "".join(f"{json.dumps(row)}\n" for row in ROWS).encode()
CSV = "id,text\n" + "".join(f"{row['id']},{row['text']}\n" for row in ROWS)
KINDS = [(InputFormat.jsonl, JSONL), (InputFormat.csv, CSV.encode())]


@pytest.mark.parametrize("kind, data", KINDS)
def test_a_pipe_is_read_once_and_whole(kind: InputFormat, data: bytes) -> None:
    reading, writing = os.pipe()
    with fed(writing, data):
        source = open_source(f"/dev/fd/{reading}", kind=kind)
        found = list(source)
    os.close(reading)
    assert [note.id for note in found] == [row["id"] for row in ROWS]
    assert [note.text for note in found] == [row["text"] for row in ROWS]
    for again in (source.describe, source.__iter__, lambda: source.after(2)):
        with pytest.raises(CardionerError, match="can be read only once"):
            again()


@pytest.mark.parametrize("kind, data", KINDS)
def test_a_named_pipe_is_read_by_its_name(tmp_path: Path, kind: InputFormat, data: bytes) -> None:
    path = tmp_path / f"notes.{kind.value}.gz"
    os.mkfifo(path)
    with fed(str(path), gzip.compress(data)):
        found = list(open_source(str(path), note_id="text", text="id"))
    assert len(found) == 300
    assert found[0].place == f"{path.name}, {'line' if kind is InputFormat.jsonl else 'row'} 1"


def test_a_pipe_of_text_is_one_note(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "nota.txt")
    with fed(str(tmp_path / "nota.txt"), b"bien"):
        source = open_source(str(tmp_path / "nota.txt"))
        assert list(source) == [SourceNote("nota", "bien", "", f"{tmp_path}/nota.txt")]
    with pytest.raises(CardionerError, match="can be read only once"):
        source.describe()


def test_parquet_is_not_read_from_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "n.parquet")
    assert "cannot be read from a pipe" in message(tmp_path / "n.parquet")


def test_an_endless_file_is_a_note_that_is_too_long() -> None:
    [note] = open_source("/dev/zero", max_characters=1000)
    assert note.fault == "longer than 1000 characters (--max-characters)"


def test_a_folder_is_read_once_whatever_leads_to_it(tmp_path: Path) -> None:
    root = tmp_path / "notes"
    for name in ("a.txt", "sub/b.txt", "sub/deep/c.txt", "../other/d.txt"):
        (root / name).parent.mkdir(exist_ok=True, parents=True)
        (root / name).write_text(name)
    for link, target in {
        "self": ".", "sub/up": "..", "sub/out": "../..", "sub/deep/loop": "../../sub",
        "0": "sub", "1": "../other", "2": "../other",
    }.items():  # fmt: skip
        (root / link).symlink_to(target)
    expected = ["1/d", "a", "sub/b", "sub/deep/c"]
    assert [note.id for note in notes(root, recursive=True)] == expected
    for pattern in ("**/*.txt", "**", "**/**/*"):
        assert [note.id for note in notes(root / pattern)] == expected
    assert [note.id for note in notes(root / "*/b.txt")] == ["0/b"]


def test_a_link_to_a_file_is_a_note_even_if_it_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("bien")
    for name, target in {"b": "a.txt", "c": "none.txt", "d": "d.txt"}.items():
        (tmp_path / f"{name}.txt").symlink_to(target)
    assert texts(tmp_path) == ["bien", "bien", "", ""]
    assert list(faults(tmp_path).values()) == [
        "cannot be read: No such file or directory",
        "cannot be read: Too many levels of symbolic links",
    ]


def test_files_whose_notes_would_have_the_same_ids_are_told_apart(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason='needs "spacy_cardioner[parquet]"')
    (tmp_path / "x.txt").write_text("bien")
    (tmp_path / "x.txt.gz").write_bytes(gzip.compress(b"mal"))
    same = "cannot be read: the notes of x.txt have the same ids; rename one of them"
    assert notes(tmp_path) == [
        SourceNote("x", "bien", "", "x.txt"), SourceNote("x.txt.gz", "", same, "x.txt.gz")
    ]  # fmt: skip
    tables = tmp_path / "tables"
    for name in ("a/x.csv", "a/x.tsv", "b/x.csv"):
        (tables / name).parent.mkdir(exist_ok=True, parents=True)
        (tables / name).write_text("text\nbien\n")
    found = notes(tables, recursive=True)
    assert [note.id for note in found] == ["a/x-1", "a/x.tsv", "b/x-1"]
    assert [bool(note.fault) for note in found] == [False, True, False]


def table(path: Path, **columns: Any) -> Path:
    import pyarrow as pa
    from pyarrow import parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(columns), path, row_group_size=2, write_page_checksum=True)
    return path


@pytest.mark.parametrize("ending", ["jsonl.gz", "csv.gz", "parquet"])
def test_a_damaged_file_is_named_and_the_others_are_read(tmp_path: Path, ending: str) -> None:
    pytest.importorskip("pyarrow", reason='needs "spacy_cardioner[parquet]"')
    for name in "abcd":
        path = tmp_path / f"{name}.{ending}"
        if ending == "parquet":
            table(path, id=[f"{name}{i}" for i in range(3)], text=["bien"] * 3)
        else:
            rows = [f'{{"id": "{name}{i}", "text": "bien"}}' for i in range(3)]
            if ending == "csv.gz":
                rows = ["id,text", *(f"{name}{i},bien" for i in range(3))]
            path.write_bytes(gzip.compress("\n".join(rows).encode()))
    for name, data in (("a", b"not a table"), ("c", (tmp_path / f"c.{ending}").read_bytes()[:-9])):
        (tmp_path / f"{name}.{ending}").write_bytes(data)
    good = [f"{name}{i}" for name in "bd" for i in range(3)]
    assert [note.id for note in notes(tmp_path) if note.text and note.id[0] in "bd"] == good
    assert list(faults(tmp_path)) == [f"a.{ending}", f"c.{ending}"]
    assert all(fault.startswith("cannot be read") for fault in faults(tmp_path).values())
    assert message(tmp_path / f"a.{ending}").startswith(f"{tmp_path}/a.{ending}: cannot be read")
    assert message(tmp_path / f"c.{ending}").startswith(f"{tmp_path}/c.{ending}: cannot be read")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_with_other_columns_is_named_and_the_others_are_read(
    tmp_path: Path, ending: str
) -> None:
    pytest.importorskip("pyarrow", reason='needs "spacy_cardioner[parquet]"')
    for name, columns in {"a": ("id", "text"), "b": ("nhc", SECRET), "c": ("text", "id")}.items():
        path = tmp_path / f"{name}.{ending}"
        if ending == "parquet":
            table(path, **{column: ["bien"] for column in columns})
        else:
            path.write_text(f"{','.join(columns)}\nbien,bien\n")
    other = "cannot be read: none of its columns have the name of the column of the texts"
    assert [note[:3] for note in notes(tmp_path)] == [
        ("bien", "bien", ""), (f"b.{ending}", "", other), ("bien", "bien", "")
    ]  # fmt: skip


def test_the_types_of_parquet_files_may_differ(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason='needs "spacy_cardioner[parquet]"')
    table(tmp_path / "a.parquet", id=[1], text=["a"])
    table(tmp_path / "b.parquet", id=["2"], text=pa.array(["b"]).dictionary_encode())
    table(tmp_path / "c.parquet", id=[[3]], text=["c"])
    table(tmp_path / "d.parquet", id=[4], text=[5])
    latin = pa.DictionaryArray.from_arrays(
        [0], pa.array([b"ni\xf1o"]).cast(pa.string(), safe=False)
    )
    table(tmp_path / "e.parquet", id=[b"5"], text=latin)
    assert [note[:3] for note in notes(tmp_path)] == [
        ("1", "a", ""),
        ("2", "b", ""),
        ("c-1", "", "its id is not a text or a number (list)"),
        ("4", "", "not text (int)"),
        ("e-1", "", "damaged, or not UTF-8"),
    ]


def test_each_row_of_a_damaged_part_of_parquet_is_at_fault(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason='needs "spacy_cardioner[parquet]"')
    from pyarrow import parquet

    path = table(tmp_path / "n.parquet", id=list("abcdef"), text=[SECRET * 9] * 6)
    group = parquet.ParquetFile(path).metadata.row_group(1)
    start = group.column(1).dictionary_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + group.column(1).total_compressed_size] = b"\xff" * (
        group.column(1).total_compressed_size
    )
    path.write_bytes(data)
    found = notes(path)
    assert [note.id for note in found] == ["a", "b", "n-3", "n-4", "e", "f"]
    assert [note.fault for note in found[2:4]] == ["damaged, or not UTF-8"] * 2


def test_a_doubled_column_of_parquet_is_refused(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason='needs "spacy_cardioner[parquet]"')
    from pyarrow import parquet

    doubled = pa.Table.from_arrays([pa.array(["a"])] * 3, names=["id", "text", "text"])
    parquet.write_table(doubled, tmp_path / "n.parquet")
    assert "2 of its columns have the name" in message(tmp_path / "n.parquet")
    table(tmp_path / "a.parquet", id=["1"], text=["bien"])
    assert "2 of its columns have the name" in faults(tmp_path)["n.parquet"]


class Odd:
    def __str__(self) -> str:
        return SECRET


@pytest.mark.parametrize(
    "note_id, fault",
    [
        (None, "no id"),
        ("", "no id"),
        (" \t", "no id"),
        (math.nan, "no id"),
        (Decimal("NaN"), "no id"),
        (math.inf, "its id is a number that is not exact; write it as text"),
        (1e300, "its id is a number that is not exact; write it as text"),
        (True, "its id is not a text or a number (bool)"),
        (b"x", "its id is not a text or a number (bytes)"),
        ({"x": SECRET}, "its id is not a text or a number (dict)"),
        ([SECRET], "its id is not a text or a number (list)"),
        (Odd(), "its id is not a text or a number (Odd)"),
        pytest.param("x" * 1001, "its id has more than 1000 characters", id="a long id"),
        pytest.param(10**4000, "its id has more than 1000 characters", id="a long number"),
        *[
            (f"{SECRET}{odd}", "its id holds control characters, line ends or bytes that are not "
             "UTF-8")
            for odd in "\0\n\t\x1b\x85\u2028\ud800"
        ],
    ],
)  # fmt: skip
def test_what_cannot_be_an_id_is_a_fault(note_id: object, fault: str) -> None:
    found = checked(note_id, "bien", "n.csv, row 1", "n-1")
    assert found == SourceNote("n-1", "", fault, "n.csv, row 1")


UUID = uuid.UUID(int=7)


@pytest.mark.parametrize(
    "note_id",
    ["a b", "007", "7.0", 7, -1, 10**20, 7.5, Decimal("7.5"), Decimal(10**20), UUID, "x" * 1000],
)
def test_ids_are_kept_as_they_are(note_id: object) -> None:
    assert checked(note_id, "bien", "", "") == SourceNote(str(note_id), "bien")


@pytest.mark.parametrize("note_id", [7.0, numpy.float32(7), Decimal("7"), Decimal("7.00")])
def test_whole_numbers_are_spelled_as_such(note_id: object) -> None:
    assert checked(note_id, "bien", "", "").id == "7"
    small = Decimal("7.0000000000000000001")
    assert checked(small, "bien", "", "").id == str(small)


@given(
    note_id=st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.binary(),
    text=st.none() | st.floats() | st.text(st.characters()) | st.binary(),
)
def test_any_values_make_a_note_that_can_be_written(note_id: object, text: object) -> None:
    note = checked(note_id, text, "", "n-1")
    assert note.id.encode()
    assert note.text.encode() == note.text.encode("utf-8", "surrogatepass")
    assert bool(note.fault) != bool(note.text)


@pytest.mark.parametrize("name", ["sqlite", "duckdb"])
def test_one_bad_row_of_a_database_does_not_stop_the_run(tmp_path: Path, name: str) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy", reason='needs "spacy_cardioner[omop]"')
    if name == "duckdb":
        pytest.importorskip("duckdb_engine", reason="needs duckdb-engine")
    url = f"{name}:///{tmp_path}/notes.db"
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    ids = [b"a", "b", "c\0", "d" * 2000, None, "e"]
    kind = "blob" if name == "sqlite" else "varchar"
    with engine.begin() as connection:
        connection.exec_driver_sql(f"create table note (note_id {kind}, note_text varchar)")
        insert = sqlalchemy.text("insert into note values (:note_id, :note_text)")
        rows = [
            {"note_id": one, "note_text": "bien"}
            for one in ids
            if name == "sqlite" or not isinstance(one, bytes)
        ]
        connection.execute(insert, rows)
    found = notes(url)
    assert sorted(note.id for note in found if not note.fault) == ["b", "e"]
    assert len(found) == len(rows)
    assert found[-1].place == f"note, row {len(rows)}"


def test_json_with_a_doubled_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "n.jsonl"
    path.write_text(f'{{"id": 1, "text": "{SECRET}", "text": "x"}}\n{{"id": 2, "text": "bien"}}\n')
    assert faults(path) == {"n-1": "a key occurs twice in an object"}
    for read in (read_jsonl, read_json):
        with pytest.raises(CardionerError, match=r"^[^P]*$"):
            list(read(path))


def test_all_readers_of_jsonl_read_the_same(tmp_path: Path) -> None:
    rows = [{"text": "a\u2028b"}, ["x"], None, 7]
    path = tmp_path / "n.jsonl"
    lines = "\r\n\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_bytes(b"\xef\xbb\xbf" + lines.encode())
    assert [row for _, row in read_jsonl(path)] == rows
    assert [number for number, _ in read_jsonl(path)] == [1, 3, 5, 7]
    assert texts(path) == ["a\u2028b", "", "", ""]
    assert [note.place for note in notes(path)] == [f"n.jsonl, line {n}" for n in (1, 3, 5, 7)]


def test_a_long_note_in_a_small_file_does_not_fill_the_memory(tmp_path: Path) -> None:
    import tracemalloc

    rows = [{"id": "a", "text": "bien"}, {"id": "b", "text": "a" * 50_000_000}, ROWS[0]]
    lines = "\n".join(map(json.dumps, rows))
    with gzip.open(tmp_path / "n.jsonl.gz", "wt") as stream:
        stream.write(lines)
    with gzip.open(tmp_path / "n.txt.gz", "wt") as stream:
        stream.write(rows[1]["text"])
    del rows, lines
    tracemalloc.start()
    found = list(open_source(str(tmp_path / "n.jsonl.gz"), max_characters=100_000))
    found += open_source(str(tmp_path / "n.txt.gz"), max_characters=100_000)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
    assert [note.fault for note in found] == [
        "", "the line has more than 2248576 bytes", "",
        "longer than 100000 characters (--max-characters)",
    ]  # fmt: skip


def test_the_longest_text_is_read(tmp_path: Path) -> None:
    path = tmp_path / "n.txt"
    path.write_text("\ufeff" + "🫀" * 100, encoding="utf-8")
    assert texts(path, max_characters=100) == ["🫀" * 100]
    path.write_text("🫀" * 101, encoding="utf-8")
    assert [note.fault for note in open_source(str(path), max_characters=100)] == [
        "longer than 100 characters (--max-characters)"
    ]


def test_records_have_places_and_checked_ids() -> None:
    records = [("a", "bien"), {"id": math.nan, "text": SECRET}, "bien", ("x",), (7, None)]
    found = list(api._of_records(iter(records), GUESSED))
    assert [note[:4] for note in found] == [
        ("a", "bien", "", "record 0"),
        ("record 1", "", "no id", "record 1"),
        ("2", "bien", "", "record 2"),
        ("record 3", "", "no id", "record 3"),
        ("7", "", "no text (null)", "record 4"),
    ]


def test_a_frame_has_ids_from_its_index_and_missing_values() -> None:
    pd = pytest.importorskip("pandas", reason='needs "spacy_cardioner[spark]"')
    frame = pd.DataFrame({"text": ["bien", None, pd.NA]}, index=[("a", 1), ("a", 2), ("b", 1)])
    found = list(api._of_frame(frame, Columns("text", None)))
    assert [note.id for note in found] == ["('a', 1)", "('a', 2)", "('b', 1)"]
    assert [note.fault for note in found] == ["", "no text (null)", "no text (null)"]
    frame = pd.DataFrame({"id": [1, None], "text": pd.array(["bien", "bien"], "string")})
    assert [note[:3] for note in api._of_frame(frame, Columns("text", "id"))] == [
        ("1", "bien", ""), ("row 1", "", "no id")
    ]  # fmt: skip
