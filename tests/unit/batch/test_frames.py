"""`spacy_cardioner.annotate` with tables and with what looks like one."""

from __future__ import annotations

import datetime
import math
import warnings
from types import SimpleNamespace
from typing import Any

import pytest
from spacy.language import Language

from spacy_cardioner import annotate
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.tokenizer import blank

pd = pytest.importorskip("pandas", reason='needs "spacy_cardioner[spark]"')

TEXT = "Toma bisoprolol."


@pytest.fixture(scope="module")
def nlp() -> Language:
    nlp = blank("es")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "FARMACO", "pattern": "bisoprolol"}])
    return nlp


def ids(notes: Any, nlp: Language, **options: Any) -> list[str]:
    """The ids of the notes that were annotated."""
    found = annotate(notes, nlp, **options)
    return list(found["note_id"][found["error"].isna()])


@pytest.mark.parametrize(
    "texts",
    [
        pd.Series([TEXT, None, TEXT], index=["a", "b", "c"], name="note"),
        pd.Series([TEXT, None, TEXT], index=["a", "b", "c"], dtype="string"),
        pd.Series([TEXT, math.nan, TEXT], index=["a", "b", "c"], dtype="category"),
    ],
    ids=["object", "string", "category"],
)
def test_a_series_has_ids_in_its_index(texts: Any, nlp: Language) -> None:
    found = annotate(texts, nlp)
    assert list(found["note_id"]) == ["a", "b", "c"]
    assert found["start"].tolist() == [5, pd.NA, 5]
    assert found["error"].tolist() == [pd.NA, "no text (null)", pd.NA]


def test_other_columns_of_pandas_are_series_too(nlp: Language) -> None:
    assert ids(pd.Index([TEXT, "Tos.", TEXT]), nlp) == ["0", "2"]
    assert ids(pd.array([TEXT], dtype="string"), nlp) == ["0"]
    assert annotate(pd.Series([], dtype=object), nlp).empty


@pytest.mark.parametrize("values", [[1, None, 3], [1.0, math.nan, 3.0], pd.array([1, None, 3])])
@pytest.mark.parametrize("where", ["column", "index"])
def test_a_missing_id_leaves_the_others_as_they_are(values: Any, where: str, nlp: Language) -> None:
    frame = pd.DataFrame({"text": [TEXT] * 3, "id": values})
    if where == "index":
        frame = frame.set_index("id")
    found = annotate(frame, nlp)
    assert list(found["note_id"]) == ["1", "row 1", "3"]
    assert found["error"].tolist() == [pd.NA, "no id", pd.NA]


@pytest.mark.parametrize(
    "values, expected",
    [
        ([pd.Timestamp("2020-01-31"), pd.NaT], ["2020-01-31 00:00:00"]),
        (["1.0", None], ["1.0"]),
        ([1.5, None], ["1.5"]),
        ([-0.0, None], ["0"]),
        ([True, None], []),
    ],
)
def test_ids_of_other_types(values: Any, expected: list[str], nlp: Language) -> None:
    frame = pd.DataFrame({"text": [TEXT] * 2, "id": values})
    assert ids(frame, nlp) == expected


def test_records_with_missing_ids(nlp: Language) -> None:
    records = [{"id": 1.0, "text": TEXT}, {"id": math.nan, "text": TEXT}, {"id": pd.NA, "text": ""}]
    found = [(note.note.id, note.note.fault) for note in annotate(records, nlp)]
    assert found == [("1", ""), ("record 1", "no id"), ("record 2", "no id")]


def test_ids_that_occur_twice_are_named_by_their_row(nlp: Language) -> None:
    frame = pd.concat([pd.DataFrame({"text": [TEXT, TEXT]})] * 2)
    with pytest.warns(UserWarning, match="2 rows have the id of an earlier row, .* is row 2"):
        assert len(annotate(frame, nlp)) == 4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        annotate(frame.reset_index(drop=True), nlp)


def test_columns_to_keep_have_their_types(nlp: Language) -> None:
    day = datetime.datetime(2020, 1, 31)
    frame = pd.DataFrame(
        {
            "id": ["a", "b", "c"],
            "text": [TEXT, None, f"{TEXT} {TEXT}"],
            "person_id": [7, 8, 9],
            "date": [day, day, pd.NaT],
            "ward": pd.Categorical(["x", None, "y"]),
            0: [True, False, True],
        }
    )
    keep = ["person_id", "date", "ward", "0"]
    found = annotate(frame, nlp, keep=keep)
    assert list(found.columns[-4:]) == keep
    assert list(found.dtypes[-4:]) == list(frame.dtypes[-4:])
    assert found["person_id"].tolist() == [7, 8, 9, 9]
    assert found["date"].tolist() == [day, day, pd.NaT, pd.NaT]
    assert found["0"].tolist() == [True, False, True, True]
    with pytest.raises(CardionerError, match="the result has a column text of its own"):
        annotate(frame, nlp, keep=["text"])


def test_records_keep_their_values(nlp: Language) -> None:
    records = [{"id": 1, "text": TEXT, "person_id": 7}, {"id": 2, "text": TEXT}]
    found = annotate(records, nlp, keep=["person_id"])
    assert [note.note.kept for note in found] == [(7,), (None,)]
    with pytest.raises(CardionerError, match="no column has the name"):
        list(annotate([{"id": 1, "text": TEXT}], nlp, keep=["person_id"]))


@pytest.mark.parametrize("notes", [TEXT, b"x", {"id": 1, "text": TEXT}])
def test_a_single_note_is_not_read_as_many(notes: Any, nlp: Language) -> None:
    with pytest.raises(CardionerError, match="give a list of notes"):
        annotate(notes, nlp)


def test_tables_of_others_are_refused_with_advice(nlp: Language) -> None:
    pa = pytest.importorskip("pyarrow", reason='needs "spacy_cardioner[parquet]"')
    for table in (pa.table({"text": [TEXT]}), SimpleNamespace(to_pandas=None)):
        with pytest.raises(CardionerError, match=r"give notes.to_pandas\(\)"):
            annotate(table, nlp)
