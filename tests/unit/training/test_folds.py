"""Folds by document: complete, even, seeded, the same for every order and language."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.training.folds import make_folds, read_folds, write_folds

NAMES = [f"nota{number}" for number in range(23)]


def test_folds_depend_on_names_and_seed_alone() -> None:
    folds = make_folds(NAMES, 5, 13)

    assert make_folds([*reversed(NAMES), *NAMES], 5, 13) == folds
    assert make_folds(NAMES, 5, 14) != folds
    assert sorted(len(fold) for fold in folds) == [4, 4, 5, 5, 5]


def test_documents_of_one_note_are_in_one_fold() -> None:
    """And the folds are those of the notes."""
    documents = {
        name: [name, f"{name}~2", f"{name}~3"][: 1 + number % 3]
        for number, name in enumerate(NAMES)
    }
    made = make_folds([one for each in documents.values() for one in each], 5, 13)
    folds = make_folds(NAMES, 5, 13)
    assert made == [sorted(one for name in fold for one in documents[name]) for fold in folds]


@given(
    st.sets(st.text(st.characters(exclude_characters="~"), min_size=1), min_size=2),
    st.integers(2, 10),
    st.integers(),
)
def test_every_document_is_in_one_fold(names: set[str], folds: int, seed: int) -> None:
    if len(names) < folds:
        with pytest.raises(CardionerError, match="cannot be split"):
            make_folds(names, folds, seed)
        return
    made = make_folds(names, folds, seed)
    assert sorted(name for fold in made for name in fold) == sorted(names)
    assert max(map(len, made)) - min(map(len, made)) <= 1


def test_folds_survive_the_file(tmp_path: Path) -> None:
    folds = make_folds(NAMES)
    write_folds(tmp_path / "new" / "folds.json", folds, 13)

    assert read_folds(tmp_path / "new" / "folds.json") == folds


@pytest.mark.parametrize("content", [None, "", "[]", '{"folds": 3}', "{}"])
def test_a_file_that_has_no_folds(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "folds.json"
    if content is not None:
        path.write_text(content)

    with pytest.raises(CardionerError, match="not a file of folds"):
        read_folds(path)
