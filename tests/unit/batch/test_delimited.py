"""CSV and TSV: what a program wrote is read exactly, and a wrong quote never loses a row."""

from __future__ import annotations

import csv
import gzip
import io
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from spacy_cardioner.batch.readers import SourceNote, open_source
from spacy_cardioner.errors import CardionerError

SECRET = "Pérez"
values = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
texts = values.filter(str.strip)
# What CSV is made of is more likely to break it.
tricky = st.text(st.sampled_from('"",;\t|\n\r aé\u2028'), max_size=9).filter(str.strip)
tables = st.lists(st.tuples(texts | tricky, values | tricky), min_size=1, max_size=5)
fast = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def read(path: Path, data: str, **options: Any) -> list[SourceNote]:
    path.write_bytes(data.encode("utf-8", "surrogateescape"))
    return list(open_source(str(path), **options))


def error(path: Path, data: str, **options: Any) -> str:
    with pytest.raises(CardionerError) as caught:
        read(path, data, **options)
    message = str(caught.value)
    assert SECRET not in message
    return message.removeprefix(f"{path}, ")


def written(rows: list[tuple[str, str]], **dialect: Any) -> str:
    stream = io.StringIO(newline="")
    numbered = [(str(i), text, other) for i, (text, other) in enumerate(rows)]
    csv.writer(stream, **dialect).writerows([("id", "text", "other"), *numbered])
    return stream.getvalue()


@fast
@given(
    rows=tables,
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC, csv.QUOTE_MINIMAL]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    mark=st.sampled_from(["", "\ufeff"]),
)
def test_what_csv_writes_is_read_exactly(
    tmp_path: Path, rows: list[tuple[str, str]], delimiter: str, quoting: int, end: str, mark: str
) -> None:
    # csv may leave a line break without quotes that is not the one of the table.
    broken = any(re.search("[\r\n]", value) for row in rows for value in row)
    assume(end == "\r\n" or quoting != csv.QUOTE_MINIMAL or not broken)
    data = written(rows, delimiter=delimiter, quoting=quoting, lineterminator=end)
    notes = read(tmp_path / "n.csv", mark + data)
    expected = [
        SourceNote(str(i), text, "", f"n.csv, row {i + 1}") for i, (text, _) in enumerate(rows)
    ]
    assert notes == expected


@fast
@given(
    rows=tables,
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    data=st.data(),
)
def test_no_quote_can_be_lost_without_an_error(
    tmp_path: Path, rows: list[tuple[str, str]], quoting: int, data: st.DataObject
) -> None:
    whole = written(rows, quoting=quoting, lineterminator="\n")
    quotes = [index for index, char in enumerate(whole) if char == '"']
    assume(quotes)
    lost = data.draw(st.sampled_from(quotes))
    assert "quote" in error(tmp_path / "n.csv", whole[:lost] + whole[lost + 1 :])


def test_a_stray_quote_is_found_beside_the_same_value_in_quotes(tmp_path: Path) -> None:
    data = '"id","text","other"\n"4,",00","00"""\n'
    assert "a quote in a value that is not in quotes" in error(tmp_path / "n.csv", data)


@fast
@given(rows=tables, data=st.data())
def test_a_table_that_is_cut_gives_its_rows_or_an_error(
    tmp_path: Path, rows: list[tuple[str, str]], data: st.DataObject
) -> None:
    whole = written(rows, quoting=csv.QUOTE_ALL, lineterminator="\n")
    cut = data.draw(st.integers(len('"id","text","other"\n'), len(whole)))
    path = tmp_path / "n.csv"
    try:
        notes = read(path, whole[:cut])
    except CardionerError as error:
        assert "is not closed" in str(error)
    else:
        kept = list(csv.reader(io.StringIO(whole[:cut], newline="")))[1:]
        assert [note.text for note in notes] == [
            row[1] if len(row) == 3 else "" for row in kept if row
        ]
        assert len(notes) == len([row for row in kept if row])


def test_a_quote_that_is_not_closed_is_an_error_that_names_its_row(tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    rows = "".join(f"{i},bien\n" for i in range(4, 1000))
    start = f'id,text\n1,bien\n2,"dos\nlíneas"\n3,"{SECRET} no cierra\n'
    opened = "row 3: the quote that opens in line 5 is not closed"
    assert error(path, start + rows).startswith(opened)
    assert error(path, start + rows, max_characters=10).startswith(opened)
    other = f'id,text\n"1","a\nb"\n"2\n3","{SECRET}\n'
    assert error(path, other).startswith("row 2: the quote that opens in line 5 is not closed")
    assert error(path, f'id,"{SECRET}\n1,2\n').startswith("the header: the quote that opens")
    # Another value in quotes closes it.
    message = error(path, f'{start}4,"bien"\n{rows}')
    assert message.startswith("row 3: in line 6, text follows a closing quote")


def test_a_quote_that_is_not_closed_does_not_fill_the_memory(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "n.csv.gz"
    with gzip.open(path, "wt") as stream:
        stream.write('id,text\n1,"')
        stream.writelines(["a" * 99 + "\n"] * 300_000)
    tracemalloc.start()
    with pytest.raises(CardionerError, match="is not closed within 1048696 characters"):
        open_source(str(path), max_characters=10)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    "row, wrong",
    [
        (f'1,"{SECRET}" bien', "row 1: in line 2, text follows a closing quote"),
        (f'1,"{SECRET}" ', "row 1: in line 2, text follows a closing quote"),
        (f'1,{SECRET} "bien"', "row 1: a quote in a value that is not in quotes"),
        (f'1, "{SECRET}"', "row 1: a quote in a value that is not in quotes"),
        (f'"1",{SECRET}"', "row 1: a quote in a value that is not in quotes"),
    ],
)
def test_quotes_that_are_no_csv_are_errors(tmp_path: Path, row: str, wrong: str) -> None:
    assert error(tmp_path / "n.csv", f"id,text\n{row}\n2,bien\n").startswith(wrong)


def test_a_tsv_without_quotes_may_have_some_in_its_values(tmp_path: Path) -> None:
    path = tmp_path / "n.tsv"
    data = 'id\ttext\n1\tstent de 5" y "otro"\n2\tbien\n'
    assert [note.text for note in read(path, data)] == ['stent de 5" y "otro"', "bien"]
    quoted = '3\t"bien"\n'
    for rows in (data + quoted, data.replace("1\t", quoted + "1\t")):
        assert "a quote in a value that is not in quotes" in error(path, rows)
    assert "text follows" in error(path, f'id\ttext\n1\t"{SECRET}" bien\n')


def test_a_line_break_in_a_value_without_quotes_is_a_fault(tmp_path: Path) -> None:
    broken = "a line break in a value that is not in quotes"
    notes = read(tmp_path / "n.csv", "text\nbien\na\rb\nbien\n")
    assert [note.fault for note in notes] == ["", broken, broken, ""]
    notes = read(tmp_path / "n.csv", "id,text\r\n1,a\rb,c\r\n2,bien\n3,bien")
    assert [note.fault for note in notes] == [broken, broken, "", ""]


def test_a_value_may_hold_nul(tmp_path: Path) -> None:
    notes = read(tmp_path / "n.csv", 'id,text\n1,a\0b\n2,"a\0""b"\n3,bien\n')
    assert ["NUL" in note.fault for note in notes] == [True, True, False]


def test_another_encoding_is_said(tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    path.write_text("id\ttext\n1\tbien\n", encoding="utf-16")
    with pytest.raises(CardionerError, match="not UTF-8"):
        open_source(str(path))


@pytest.mark.parametrize("name", ["text", "id"])
def test_a_column_is_not_there_twice(tmp_path: Path, name: str) -> None:
    path = tmp_path / "n.csv"
    names = f"the name of the column of the {name}s"
    assert f"2 of its columns have {names}" in error(path, f"id,text,{name}\n1,2,{SECRET}\n")
    assert [note.text for note in read(path, "id,text,,x,,x\n1,bien,,,,\n")] == ["bien"]


def test_a_header_is_a_record(tmp_path: Path) -> None:
    data = '\n"id","the\ntext"\n1,bien\n'
    notes = read(tmp_path / "n.csv", data, text="the\ntext")
    assert notes == [SourceNote("1", "bien", "", "n.csv, row 1")]


@example(data='id,text\n"')
@fast
@given(data=st.text(st.sampled_from('",;\t\n\r aé\0\ufeff'), max_size=30))
def test_any_file_is_read_or_an_error(tmp_path: Path, data: str) -> None:
    path = tmp_path / "n.csv"
    path.write_bytes(b"id,text\n" + data.encode())
    try:
        source = open_source(str(path))
        notes = list(source)
    except CardionerError:
        return
    assert notes == list(source)
    assert len(notes) == source.total
