from __future__ import annotations

import pytest

from spacy_cardioner.evaluation.mistakes import judge
from spacy_cardioner.evaluation.traits import Traits, by_trait, differences
from spacy_cardioner.spans import Entity

D, E = "FARMACO", "ENFERMEDAD"


def traits_of(text: str, label: str, lang: str = "es") -> set[str]:
    one = Entity(0, len(text), label, text)
    return set(Traits({"n": [one]}, lang).of(one, [one])) - {"once in the gold"}


@pytest.mark.parametrize(
    ("lang", "label", "text", "expected"),
    [
        ("es", D, "bisoprolol", {"1 word"}),
        ("es", D, "bisoprolol 2,5 mg", {"3 words", "with a dose", "digits or signs"}),
        ("en", D, "bisoprolol 5 mg", {"3 words", "with a dose", "digits or signs"}),
        (
            "it",
            D,
            "sacubitril/valsartan",
            {"1 word", "several substances", "digits or signs", "coordination"},
        ),
        ("es", D, "sodio", {"1 word", "analyte"}),
        ("en", D, "potassium", {"1 word", "analyte"}),
        ("it", D, "glucosio", {"1 word", "analyte"}),
        ("es", D, "AAS", {"1 word", "with an abbreviation"}),
        ("es", D, "5-fluorouracilo", {"1 word", "digits or signs"}),
        ("es", "DRUG", "sodio", {"1 word", "analyte"}),
        ("es", E, "sodio", {"1 word"}),
        ("es", E, "diabetes", {"1 word"}),
        ("es", E, "hipertensión y diabetes", {"3 words", "coordination"}),
        ("en", E, "hypertension and diabetes", {"3 words", "coordination"}),
        ("it", E, "ipertensione e diabete", {"3 words", "coordination"}),
        ("es", E, "HTA", {"1 word", "with an abbreviation"}),
        ("es", E, "ICC con FEVI reducida", {"4 to 6 words", "with an abbreviation"}),
        ("es", E, "INSUFICIENCIA MITRAL", {"2 words"}),
        ("es", D, "vitamina E", {"2 words", "analyte"}),
        ("es", E, "estenosis aórtica, mitral", {"3 words", "coordination"}),
        (
            "es",
            E,
            "miocardiopatía dilatada de origen no isquémico con disfunción",
            {"7 or more words"},
        ),
    ],
)
def test_traits(lang: str, label: str, text: str, expected: set[str]) -> None:
    assert traits_of(text, label, lang) == expected


def test_frequency_counts_names_without_case_and_accents() -> None:
    gold = {"n": [Entity(0, 5, E, "Angina"), Entity(9, 15, E, "ANGINA"), Entity(20, 23, E, "IAM")]}
    traits = Traits(gold, "es")
    assert "2 to 5 times" in traits.of(gold["n"][0])
    assert "once in the gold" in traits.of(gold["n"][2])
    assert "not in the gold" in traits.of(Entity(0, 3, E, "tos"))


def test_nested_is_within_another_or_around_it() -> None:
    outer, inner, other = Entity(0, 9, E, "a b"), Entity(0, 3, E, "a"), Entity(8, 12, E, "c")
    traits = Traits({}, "es")
    found = ["nested" in traits.of(one, [outer, inner, other]) for one in (outer, inner, other)]
    assert found == [True, True, False]


def test_rows_by_hand() -> None:
    gold = [Entity(0, 3, D, "AAS"), Entity(5, 10, D, "sodio"), Entity(20, 30, D, "bisoprolol")]
    pred = [Entity(0, 3, D, "AAS"), Entity(20, 35, D, "bisoprolol 5 mg"), Entity(40, 43, D, "AAS")]
    judged = judge({"n": gold}, {"n": pred})
    rows = by_trait(judged, Traits({"n": gold}, "es"))
    assert rows["1 word"].gold == (3, 1, pytest.approx(1 / 3), {"missed": 1, "border right": 1})
    assert rows["1 word"].predicted == (2, 1, 0.5, {"spurious": 1})
    assert rows["with a dose"].gold == (0, 0, 0.0, {})
    assert rows["with a dose"].predicted == (1, 0, 0.0, {"border right": 1})
    assert rows["analyte"].gold == (1, 0, 0.0, {"missed": 1})


@pytest.mark.parametrize(
    ("gold", "pred", "expected"),
    [
        ((0, 10, "bisoprolol"), (0, 15, "bisoprolol 5 mg"), {"too long", "dose"}),
        ((0, 15, "bisoprolol 5 mg"), (0, 10, "bisoprolol"), {"incomplete", "dose"}),
        ((0, 21, "sacubitrilo/valsartán"), (0, 11, "sacubitrilo"), {"incomplete", "combination"}),
        ((0, 20, "metoprolol succinato"), (0, 10, "metoprolol"), {"incomplete"}),
        ((0, 10, "metoprolol"), (2, 14, "toprolol oral"), set()),
    ],
)
def test_differences(
    gold: tuple[int, int, str], pred: tuple[int, int, str], expected: set[str]
) -> None:
    one, other = (Entity(start, end, D, text) for start, end, text in (gold, pred))
    found = differences(judge({"n": [one]}, {"n": [other]}))
    assert found.pop("all") == 1
    said = {
        name.split()[-1] if "long" not in name else "too long" for name, n in found.items() if n
    }
    assert said == expected
