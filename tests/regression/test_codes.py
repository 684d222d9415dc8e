"""The codes that the list which ships gives to names whose codes were checked by hand.

``codes.tsv`` holds 200 names of drugs as case reports have them, misspelled ones too, drawn by
chance, with the ATC codes that are right for them; none for what is no drug.
"""

from __future__ import annotations

import csv
from collections import Counter

import pytest

from spacy_cardioner.gazetteer.build import build
from spacy_cardioner.gazetteer.lexicon import EXACT, NORMALISED, Answer, Lexicon
from tests.conftest import ROOT

CODES = ROOT / "tests/data" / "gazetteer" / "codes.tsv"
DRUGS = ROOT / "assets" / "gazetteer" / "drugs.tsv"


def is_right(answer: Answer | None, codes: str) -> bool:
    """Whether an answer is right: a code, or for several substances the codes of all."""
    right = codes.split("|")
    if answer and answer.several:
        return len(right) > 1 and set(right) <= set(answer.candidates)
    return (answer.code if answer else "") in right


@pytest.fixture(scope="module")
def outcomes() -> Counter[tuple[str | None, bool]]:
    """How often each kind of match gives a right code, and a wrong one."""
    with CODES.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert len(rows) == 200
    counted: Counter[tuple[str | None, bool]] = Counter()
    for lang in ("es", "en", "it"):
        lexicon = Lexicon(build([(None, DRUGS)], langs=[lang]))
        for row in rows:
            if row["lang"] == lang:
                answer = lexicon.look_up(row["name"])
                counted[answer.match if answer else None, is_right(answer, row["atc"])] += 1
    return counted


def test_whole_names_get_the_right_code(outcomes: Counter[tuple[str | None, bool]]) -> None:
    right = outcomes[EXACT, True] + outcomes[NORMALISED, True]
    wrong = outcomes[EXACT, False] + outcomes[NORMALISED, False]

    assert right / (right + wrong) >= 0.97


def test_six_of_seven_names_get_the_right_code(
    outcomes: Counter[tuple[str | None, bool]],
) -> None:
    right = sum(count for (_, is_right), count in outcomes.items() if is_right)

    assert right / outcomes.total() >= 0.85


def test_no_code_of_the_list_contradicts_another() -> None:
    lexicon = Lexicon(build([(None, DRUGS)]))

    for pattern in lexicon:
        answer = lexicon.look_up(pattern.text)
        assert answer is not None and answer.match == EXACT
        assert pattern.id in answer.candidates
