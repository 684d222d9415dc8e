"""Notes in: every character is kept, every note is given, and what is wrong with one is said."""

from __future__ import annotations

import bz2
import csv
import gzip
import hashlib
import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_cardioner.batch.readers import InputFormat, Source, SourceNote, open_source
from spacy_cardioner.batch.readers.columns import choose
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.texts import misfit

LATIN = "ni\xf1o".encode("latin-1")


def put(folder: Path, **notes: str | bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in notes.items():
        data = text if isinstance(text, bytes) else text.encode()
        (folder / f"{name}.txt").write_bytes(data)
    return folder


def read(source: str | Path, **options: Any) -> list[tuple[str, str]]:
    """The notes of a source that has no faults, read twice and from the middle."""
    opened = open_source(str(source), **options)
    notes = list(opened)
    assert list(opened) == notes
    assert all(list(opened.after(n)) == notes[n:] for n in (0, 1, 2, len(notes), 99))
    assert opened.total in (None, len(notes))
    assert [note.fault for note in notes] == [""] * len(notes)
    return [(note.id, note.text) for note in notes]


def faults(source: str | Path, **options: Any) -> dict[str, str]:
    """The faults of the notes, by id; all other notes have the text "bien"."""
    notes = list(open_source(str(source), **options))
    assert {note.text for note in notes} <= {"bien", ""}
    assert all(bool(note.fault) != bool(note.text) for note in notes)
    return {note.id: note.fault for note in notes if note.fault}


def table(path: Path, rows: list[dict[str, Any]]) -> Path:
    import pyarrow as pa
    from pyarrow import parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)
    return path


@pytest.fixture
def arrow() -> None:
    pytest.importorskip("pyarrow", reason='needs "spacy_cardioner[parquet]"')


def test_a_folder_is_read_sorted_and_without_hidden_files(tmp_path: Path) -> None:
    put(tmp_path, b="b", a="a", **{"a-1": "d", "._a": b"\x00\xff", "con espacio": "c"})
    put(tmp_path / "more.txt", d="d")
    (tmp_path / "a.ann").write_text("T1\tX 0 1\ta\n")
    notes = [("a", "a"), ("a-1", "d"), ("b", "b"), ("con espacio", "c")]
    assert read(tmp_path) == notes
    assert open_source(str(tmp_path)).total == 4
    inner = [*notes, ("more.txt/d", "d")]
    assert read(tmp_path, recursive=True) == inner


def test_a_pattern_names_files(tmp_path: Path) -> None:
    put(tmp_path / "1", a="a", b="b")
    put(tmp_path / "2", a="c")
    (tmp_path / "1" / "n.md").write_text("d")
    assert read(tmp_path / "*" / "a.txt") == [("1/a", "a"), ("2/a", "c")]
    assert read(tmp_path / "**" / "*.txt") == [("1/a", "a"), ("1/b", "b"), ("2/a", "c")]
    assert read(tmp_path / "1" / "[mn].*") == [("n.md", "d")]
    put(tmp_path, **{"[1]": "e"})
    assert read(tmp_path / "[1].txt") == [("[1]", "e")]


def test_characters_are_kept_and_a_mark_is_not_counted(tmp_path: Path) -> None:
    put(tmp_path, n=b"\xef\xbb\xbfa\r\nb\rc\n\xc2\x85e\xcc\x81")
    assert read(tmp_path / "n.txt") == [("n", "a\r\nb\rc\n\x85e\u0301")]


def test_compressed_files_are_read(tmp_path: Path) -> None:
    for index, module in enumerate((gzip, bz2, lzma)):
        ending = (".gz", ".bz2", ".xz")[index]
        (tmp_path / f"{index}.txt{ending}").write_bytes(module.compress(b"bien"))
        (tmp_path / f"t.jsonl{ending}").write_bytes(module.compress(b'{"id": 1, "text": "t"}'))
        assert read(tmp_path / f"t.jsonl{ending}") == [("1", "t")]
    assert read(tmp_path) == [("0", "bien"), ("1", "bien"), ("2", "bien")]
    (tmp_path / "3.txt.gz").write_bytes(gzip.compress(b"bien" * 999)[:-9])
    (tmp_path / "4.txt.gz").write_bytes(gzip.compress(b"bien")[:9] + b"\xff" * 20)
    assert set(faults(tmp_path)) == {"3", "4"}


def test_endings_in_capitals(tmp_path: Path) -> None:
    for name in ("A.TXT", "b.Txt", "c.TXT.old", "d.ANN"):
        (tmp_path / name).write_text("bien")
    (tmp_path / "E.TXT.GZ").write_bytes(gzip.compress(b"bien"))
    assert read(tmp_path) == [("A", "bien"), ("E", "bien"), ("b", "bien")]
    assert read(tmp_path / "*.TXT") == [("A", "bien")]
    assert read(tmp_path / "E.TXT.GZ") == [("E", "bien")]


def test_what_is_wrong_with_a_file_is_said(tmp_path: Path) -> None:
    put(tmp_path, a="bien", b=LATIN, c="bien", d="b\0i\0e\0n\0")
    found = faults(tmp_path)
    assert set(found) == {"b", "d"}
    assert found["b"].startswith("not UTF-8 from byte 2 on")
    assert "NUL" in found["d"]


@pytest.mark.parametrize("text", ["", " \r\n\t", "\u2003\x85\u2028\x1c", "\ufeff\n"])
def test_white_space_alone_is_no_note(tmp_path: Path, text: str, arrow: None) -> None:
    empty = {"0": "empty"}
    put(tmp_path / "files", **{"0": text, "1": "bien"})
    assert faults(tmp_path / "files") == empty
    text = text.removeprefix("\ufeff")
    rows = [{"id": "0", "text": text}, {"id": "1", "text": "bien"}]
    assert faults(table(tmp_path / "n.parquet", rows)) == empty
    (tmp_path / "n.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert faults(tmp_path / "n.jsonl") == empty
    with (tmp_path / "n.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["id", "text"], *(row.values() for row in rows)])
    assert faults(tmp_path / "n.csv") == empty


def test_a_file_name_that_no_output_could_hold_is_at_fault(tmp_path: Path) -> None:
    path = tmp_path / "ni\udcf1o.txt"
    try:
        path.write_bytes(b"bien")
    except OSError:
        pytest.skip("this file system takes no names but UTF-8")
    assert "not UTF-8" in faults(tmp_path)["ni\\udcf1o"]


@pytest.mark.parametrize("missing", ["nothing", "empty", "empty/*.txt", "nothing/**"])
@pytest.mark.parametrize("kind", [None, *InputFormat])
def test_nothing_to_read_is_an_error(
    tmp_path: Path, missing: str, kind: InputFormat | None
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CardionerError):
        open_source(str(tmp_path / missing), kind=kind)


def test_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "n.jsonl"
    texts = ["a\r\nb", "\u2028\x85 é", " "]
    rows = [{"Note_ID": i, "other": None, "TEXT": text} for i, text in enumerate(texts)]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_bytes(b"\xef\xbb\xbf" + "\n\n".join(lines).encode())
    source = open_source(str(path))
    *good, empty = source
    assert good == [
        SourceNote("0", texts[0], "", "n.jsonl, line 1"),
        SourceNote("1", texts[1], "", "n.jsonl, line 3"),
    ]
    assert empty == SourceNote("2", "", "empty", "n.jsonl, line 5")
    assert "column TEXT" in source.columns.guessed[0]
    assert "column Note_ID" in source.columns.guessed[1]


def test_what_is_wrong_with_a_line_is_said(tmp_path: Path) -> None:
    good = b'{"id": "%d", "text": "bien"}\n'
    path = tmp_path / "n.jsonl"
    path.write_bytes(
        good % 1
        + b'{"id": "2", "text": "ni\xf1o"}\n'
        + b'{"id": "3", "text": nul\n'
        + b'{"id": "4", "text": null}\n'
        + b'{"id": "5", "text": ["secreto"]}\n'
        + b'{"id": "6", "text": "\\ud800"}\n'
        + b'{"text": "secreto"}\n'
        + b'{"id": "8", "texto": "secreto"}\n'
        + b'["secreto"]\n'
        + b"[" * 100_000
        + b"\n"
        + good % 11
    )
    found = faults(path)
    assert found == {
        "n-2": "not UTF-8",
        "n-3": "not JSON from character 21 on",
        "4": "no text (null)",
        "5": "not text (list)",
        "6": "not UTF-8 at character 0",
        "n-7": "no id",
        "8": "no text (null)",
        "n-9": "not a JSON object",
        "n-10": "not JSON: nested too deeply",
    }


@settings(deadline=None, max_examples=30)
@given(
    rows=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0")).filter(str.strip),
        min_size=1,
        max_size=4,
    ),
    delimiter=st.sampled_from(",;\t|"),
)
def test_csv_keeps_every_character(
    tmp_path_factory: pytest.TempPathFactory, rows: list[str], delimiter: str
) -> None:
    path = tmp_path_factory.mktemp("csv") / "n.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        # csv leaves a lone carriage return unquoted unless told to quote all.
        writer = csv.writer(stream, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        writer.writerows([["id", "text"], *enumerate(rows)])
    assert read(path) == [(str(i), text) for i, text in enumerate(rows)]


def test_what_is_wrong_with_a_row_is_said(tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    path.write_bytes(b"id,text\r\n1,bien\r\n2,ni\xf1o\r\n3\r\n4,a,b\r\n,c\r\n\r\n7,bien\r\n")
    assert faults(path) == {
        "2": misfit("utf-8", "not {} at character 2"),
        "n-3": "1 columns instead of 2",
        "n-4": "3 columns instead of 2",
        "n-5": "no id",
    }


def test_several_tables_are_one_source(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text(f"text\n{name}1\n{name}2\n")
    (tmp_path / "_errors.jsonl").write_text('{"id": "x", "reason": "y"}\n')
    expected = [("a-1", "a1"), ("a-2", "a2"), ("b-1", "b1"), ("b-2", "b2")]
    assert read(tmp_path) == expected
    assert read(tmp_path / "*.csv") == expected


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "n.tsv"
    path.write_text("text\tinforme\tnhc\nx\tbien\t7\n")
    assert read(path, text="informe", note_id="nhc") == [("7", "bien")]
    assert open_source(str(path), text="informe", note_id="nhc").columns.guessed == ()
    with pytest.raises(CardionerError, match="no column has the name that --id-column.* 3 columns"):
        open_source(str(path), note_id="dni")


def test_columns_are_guessed_only_by_their_names() -> None:
    assert choose("t", ["NOTE_TEXT", "person_id", "NOTE_ID"])[:2] == ("NOTE_TEXT", "NOTE_ID")
    assert choose("t", ["body", "texto"])[:2] == ("texto", None)
    assert "numbers of the rows" in choose("t", ["text"]).guessed[1]
    with pytest.raises(CardionerError, match="which column has the texts.* 2 columns"):
        choose("t", ["a", "b"])


def test_parquet(tmp_path: Path, arrow: None) -> None:
    texts = ["a\r\nb", "\u2028\x85 é", "\ufeff", "🫀", "e"]
    rows = [{"x": 0.5, "note_id": i, "note_text": text} for i, text in enumerate(texts)]
    path = table(tmp_path / "n.parquet", rows)
    expected = [(str(i), text) for i, text in enumerate(texts)]
    assert read(path) == expected
    assert open_source(str(path)).total == 5


def test_parquet_with_partitions(tmp_path: Path, arrow: None) -> None:
    for year in (2023, 2024):
        for part in range(2):
            rows = [{"text": f"{year}-{part}-{i}"} for i in range(3)]
            table(tmp_path / f"year={year}" / f"part-{part}.parquet", rows)
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / "_manifest.json").write_text("{}")
    notes = read(tmp_path)
    assert [text for _, text in notes] == [
        f"{year}-{part}-{i}" for year in (2023, 2024) for part in range(2) for i in range(3)
    ]
    assert notes[4] == ("year=2023/part-1-2", "2023-1-1")
    assert len({note_id for note_id, _ in notes}) == 12
    assert read(tmp_path, note_id="year")[4] == ("2023", "2023-1-1")


def test_what_is_wrong_with_a_row_of_parquet_is_said(tmp_path: Path, arrow: None) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    texts = pa.array([b"bien", LATIN, None, b"a\0", b"bien"], pa.binary()).cast(
        pa.string(), safe=False
    )
    parquet.write_table(
        pa.table({"text": texts, "id": list("1234") + [None]}), tmp_path / "n.parquet"
    )
    assert faults(tmp_path) == {
        "2": "not UTF-8 at character 2",
        "3": "no text (null)",
        "4": "binary, or not UTF-8: it holds NUL characters",
        "n-5": "no id",
    }
    (tmp_path / "m.parquet").write_bytes(b"PAR1 not")
    with pytest.raises(CardionerError, match="not Parquet, or damaged"):
        open_source(str(tmp_path / "m.parquet"))


def test_a_source_is_known_again_by_its_checksum(tmp_path: Path) -> None:
    def described() -> list[dict[str, Any]]:
        paths = (tmp_path / "in", tmp_path / "in" / "a.txt", tmp_path / "n.jsonl")
        return [open_source(str(path)).describe() for path in paths]

    put(tmp_path / "in", a="uno", b="dos")
    (tmp_path / "n.jsonl").write_text('{"text": "a"}')
    before = described()
    assert [one["files"] for one in before] == [2, 1, 1]
    assert [one["bytes"] for one in before] == [6, 3, 13]
    assert before[1]["sha256"] == hashlib.sha256(b"uno").hexdigest()
    assert described() == before
    put(tmp_path / "in", b="doS")
    assert [a == b for a, b in zip(described(), before, strict=True)] == [False, True, True]


def test_reading_is_lazy(tmp_path: Path) -> None:
    put(tmp_path, a="bien", b=LATIN)
    notes: Iterator[SourceNote] = iter(open_source(str(tmp_path)))
    (tmp_path / "b.txt").unlink()
    assert next(notes) == SourceNote("a", "bien", "", "a.txt")
    assert "cannot be read" in next(notes).fault


def test_a_source_says_which_files_it_reads(tmp_path: Path) -> None:
    put(tmp_path, a="a", b="b")
    source: Source = open_source(str(tmp_path))
    assert list(source.files) == [tmp_path / "a.txt", tmp_path / "b.txt"]
