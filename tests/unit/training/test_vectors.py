"""floret vectors from raw texts."""

from __future__ import annotations

import numpy
import pytest

pytest.importorskip("floret", reason="floret is an extra: pip install 'spacy_cardioner[train]'")

from pathlib import Path

import spacy

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.tokenizer import blank
from spacy_cardioner.training.vectors import train_vectors

TEXTS = [
    f"El paciente toma {drug} cada día.\nNiega {finding}, FIEBRE y tos."
    for drug in ("bisoprolol", "furosemida", "apixabán")
    for finding in ("disnea", "dolor")
] * 4
SMALL = {"dim": 8, "buckets": 200, "epochs": 2}


def test_vectors_serve_unseen_words_and_come_back_from_disk(tmp_path: Path) -> None:
    nlp = blank("es")
    train_vectors(nlp, TEXTS, **SMALL)  # type: ignore[arg-type]
    assert nlp.vocab.vectors.shape == (200, 8)
    unseen = nlp.vocab["bisoprololes"].vector
    assert unseen.any()
    # Capitals do not matter.
    numpy.testing.assert_array_equal(nlp.vocab["fiebre"].vector, nlp.vocab["FIEBRE"].vector)
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    numpy.testing.assert_array_equal(again.vocab["bisoprololes"].vector, unseen)


def test_the_same_texts_give_the_same_vectors() -> None:
    tables = []
    for _ in range(2):
        nlp = blank("es")
        train_vectors(nlp, TEXTS, **SMALL)  # type: ignore[arg-type]
        tables.append(nlp.vocab.vectors.data)
    numpy.testing.assert_array_equal(*tables)


def test_texts_without_words_are_an_error() -> None:
    with pytest.raises(CardionerError, match="no words"):
        train_vectors(blank("es"), ["", " \n"])
