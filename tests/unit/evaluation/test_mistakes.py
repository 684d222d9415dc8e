from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_cardioner.evaluation.matching import count
from spacy_cardioner.evaluation.mistakes import KINDS, NOTHING, RIGHT, confusion, judge
from spacy_cardioner.spans import Entity

LABELS = ["A", "B"]


def entity(place: str) -> Entity:
    """ "3-7A": from 3 to 7, label A."""
    start, _, rest = place.partition("-")
    return Entity(int(start), int(rest[:-1]), rest[-1], f"text {start} {rest[:-1]}")


@pytest.mark.parametrize(
    ("gold", "pred", "kinds_of_gold", "kinds_of_pred"),
    [
        ("0-7A", "0-7A", ["right"], ["right"]),
        ("0-7A", "", ["missed"], []),
        ("", "0-7A", [], ["spurious"]),
        ("0-7A", "7-9A", ["missed"], ["spurious"]),
        ("2-7A", "0-7A", ["border left"], ["border left"]),
        ("0-7A", "0-9A", ["border right"], ["border right"]),
        ("0-7A", "2-9A", ["border both"], ["border both"]),
        ("0-9A", "0-3A 4-9A", ["split"], ["split", "split"]),
        ("0-3A 4-9A", "0-9A", ["merged", "merged"], ["merged"]),
        ("0-7A", "0-7B", ["label"], ["label"]),
        ("0-7A", "2-7B", ["label and border"], ["label and border"]),
        # An entity of the label counts before others, and what is right counts for nothing else.
        ("0-7A", "0-7B 0-5A", ["border right"], ["label", "border right"]),
        ("0-9A 0-3A", "0-9A", ["right", "missed"], ["right"]),
        ("0-9A", "0-9A 0-3A", ["right"], ["right", "spurious"]),
        ("0-9A 0-9B", "0-9B", ["missed", "right"], ["right"]),
        # Each border of a chain: the first gold entity is shared by two predictions.
        ("0-4A 5-9A", "0-2A 3-7A", ["split", "merged"], ["split", "merged"]),
        # A gold entity counts as often as it occurs, a prediction once.
        ("0-7A 0-7A", "0-7A 0-7A", ["right", "missed"], ["right"]),
    ],
)
def test_kinds(gold: str, pred: str, kinds_of_gold: list[str], kinds_of_pred: list[str]) -> None:
    made = judge({"n": [*map(entity, gold.split())]}, {"n": [*map(entity, pred.split())]})
    assert [one.kind for one in made.gold] == kinds_of_gold
    assert [one.kind for one in made.pred] == kinds_of_pred


def test_another_spelling_is_an_error_of_the_text() -> None:
    made = judge({"n": [Entity(0, 7, "A", "Infarto")]}, {"n": [Entity(0, 7, "A", "infarto")]})
    assert [one.kind for side in made for one in side] == ["text", "text"]


def test_the_confusion_of_a_case_by_hand() -> None:
    gold = {"n": [*map(entity, ["0-3A", "5-9A", "10-20A", "30-40B", "50-60B"])]}
    pred = {"n": [*map(entity, ["0-3A", "5-9B", "10-15A", "30-35A", "70-80B", "90-95A"])]}
    assert confusion(judge(gold, pred)) == {
        NOTHING: {"A": 1, "B": 1},
        "A": {"A": 2, "B": 1},
        "B": {NOTHING: 1, "A": 1},
    }


def test_of_several_other_labels_the_one_that_shares_most_counts() -> None:
    gold, pred = {"n": [entity("0-9A")]}, {"n": [entity("0-2B"), entity("3-9C")]}
    assert confusion(judge(gold, pred))["A"] == {"C": 1}


ENTITIES = st.builds(
    lambda start, length, label: Entity(start, start + length, label, f"{start} {length}"),
    st.integers(0, 20),
    st.integers(1, 8),
    st.sampled_from(LABELS),
)
NOTES = st.dictionaries(st.sampled_from("abc"), st.lists(ENTITIES, max_size=8), min_size=1)


@given(NOTES, NOTES)
def test_judgements_agree_with_the_counts_of_the_scores(
    gold: dict[str, list[Entity]], pred: dict[str, list[Entity]]
) -> None:
    pred = {name: entities for name, entities in pred.items() if name in gold}
    made = judge(gold, pred)
    strict = count(gold, pred, LABELS).sum(axis=0)[0]
    for number, label in enumerate(LABELS):
        of_gold = Counter(one.kind for one in made.gold if one.entity.label == label)
        of_pred = Counter(one.kind for one in made.pred if one.entity.label == label)
        assert [of_gold.total(), of_pred.total(), of_gold[RIGHT]] == strict[number].tolist()
        assert of_pred[RIGHT] == of_gold[RIGHT]
        assert set(of_gold) | set(of_pred) <= {RIGHT, *KINDS}
    rows = confusion(made)
    for label in LABELS:
        assert sum(rows.get(label, {}).values()) == strict[LABELS.index(label)][0]


@given(NOTES, NOTES)
def test_errors_look_the_same_from_both_sides(
    gold: dict[str, list[Entity]], pred: dict[str, list[Entity]]
) -> None:
    pairs = [judge(gold, {name: pred.get(name, []) for name in gold})]
    for made in pairs:
        gold_errors = {(one.document, one.entity) for one in made.gold if one.kind != RIGHT}
        pred_errors = {(one.document, one.entity) for one in made.pred if one.kind != RIGHT}
        for one in made.gold:
            if one.kind not in (RIGHT, "missed"):
                assert {(one.document, other) for other in one.others} <= pred_errors
        for one in made.pred:
            if one.kind not in (RIGHT, "spurious"):
                assert {(one.document, other) for other in one.others} <= gold_errors
