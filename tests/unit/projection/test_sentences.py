"""Sentences of a text and its translation find each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_cardioner.projection.sentences import align, anchor
from spacy_cardioner.projection.texts import parallel, read
from spacy_cardioner.tokenizer import blank

SPANISH = """Anamnesis
Varón de 79 años. Fumador. Antecedentes: hipertensión arterial.
Acude por dolor torácico de 3 horas de evolución.
Exploración: PA 100/60 mmHg. Se inicia enoxaparina 60 mg."""


def pairs_of(source: str, target: str) -> list[tuple[str, str]]:
    """The sentences of each pair as text."""
    text = parallel(*(read(blank("xx"), one) for one in (source, target)))
    return [(" ".join(ours), " ".join(theirs)) for ours, theirs in map(text.spelled, text.pairs)]


def test_line_feeds_may_differ() -> None:
    english = (
        "Anamnesis A 79-year-old man.\nSmoker.\n\nHistory: arterial hypertension. He came for "
        "chest pain of 3 hours.\nExamination:\nBP 100/60 mmHg. Enoxaparin 60 mg was started."
    )
    found = pairs_of(SPANISH, english)
    assert ("Fumador .", "Smoker .") in found
    assert any("enoxaparina" in ours and "Enoxaparin 60 mg" in theirs for ours, theirs in found)
    first = next(theirs for ours, theirs in found if "79" in ours)
    assert "79" in first and "Smoker" not in first


@pytest.mark.parametrize(
    "left_out", ["Fumador.", "Acude por dolor torácico de 3 horas de evolución."]
)
def test_a_sentence_without_a_translation_leaves_the_others_theirs(left_out: str) -> None:
    """It is alone, or with a neighbour: then its words have no links."""
    shorter = SPANISH.replace(left_out, "")
    for source, target in ((SPANISH, shorter), (shorter, SPANISH)):
        (odd,) = (one for one in pairs_of(source, target) if one[0] != one[1])
        assert left_out[:-1] in odd[target == SPANISH]
        assert left_out[:-1] not in odd[source == SPANISH]


SENTENCES = st.lists(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=5), max_size=8)


@given(SENTENCES, SENTENCES)
def test_each_sentence_is_in_one_pair_in_order(
    ours: list[list[str]], theirs: list[list[str]]
) -> None:
    pairs = align(ours, theirs)
    for side, sentences in ((0, ours), (1, theirs)):
        numbers = [number for pair in pairs for number in range(*pair[side])]
        assert numbers == list(range(len(sentences)))


def test_anchors_ignore_accents_capitals_and_decimal_marks() -> None:
    assert anchor("Ácido") == anchor("acid") == "acid"
    assert anchor("2,5") == anchor("2.5")
    assert anchor("IECA") == "ieca" and anchor("de") == ""
