from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_cardioner.evaluation.charts import start_of, ticks_of
from spacy_cardioner.evaluation.curves import curve
from spacy_cardioner.evaluation.scores import score
from spacy_cardioner.spans import Entity

GOLD = {"n": [Entity(0, 3, "A", "uno"), Entity(5, 8, "A", "dos")], "m": []}


def test_a_case_by_hand() -> None:
    pred = {
        "n": [Entity(0, 3, "A", "uno", 0.9), Entity(5, 8, "A", "dos", 0.4)],
        "m": [Entity(0, 3, "A", "uno", 0.7)],
        "not in the gold": [Entity(0, 3, "A", "uno", 0.99)],
    }
    points = {point.threshold: point for point in curve(GOLD, pred)}
    assert max(points) == 0.9
    assert min(points) == 0.4
    assert points[0.9][1:] == (1, 1, 1.0, 0.5, pytest.approx(2 / 3))
    assert points[0.71][1:] == points[0.9][1:]
    assert points[0.7][1:] == (2, 1, 0.5, 0.5, 0.5)
    assert points[0.4][1:] == (3, 2, pytest.approx(2 / 3), 1.0, pytest.approx(0.8))


def test_nothing_predicted() -> None:
    assert curve(GOLD, {}) == []


SCORED = st.builds(
    lambda start, score: Entity(start, start + 3, "A", "dos" if start == 5 else "uno", score),
    st.integers(0, 8),
    st.floats(0, 1),
)


@given(st.lists(SCORED, min_size=1, max_size=12), st.integers(0, 100))
def test_each_point_is_the_score_of_what_lies_above_it(entities: list[Entity], step: int) -> None:
    points = {point.threshold: point for point in curve(GOLD, {"n": entities})}
    if (threshold := step / 100) in points:
        first = {one[:3]: one for one in reversed(entities)}
        kept = [one for one in first.values() if (one.score or 0.0) >= threshold]
        expected = score(GOLD, {"n": kept}, resamples=1).strict.labels["A"]
        made = points[threshold]
        assert expected.counts is not None
        assert made[1:3] == (expected.counts.predicted, expected.counts.right)
        assert made[3:] == pytest.approx((expected.precision, expected.recall, expected.f1))


@pytest.mark.parametrize(
    ("values", "start"), [([0.93, 0.97], 0.9), ([0.9], 0.8), ([0.41], 0.4), ([0.0], 0.0), ([], 0.0)]
)
def test_a_scale_holds_its_values(values: list[float], start: float) -> None:
    assert start_of(values) == start
    assert ticks_of(start)[-1] == 1.0
    assert 2 <= len(ticks_of(start)) <= 6
