"""Precision and recall at every threshold of the score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from spacy_cardioner.evaluation.matching import Annotations
from spacy_cardioner.spans import Entity

STEPS = 100


class Point(NamedTuple):
    """The strict scores of the predictions with at least a score of `threshold`."""

    threshold: float
    predicted: int
    right: int
    precision: float
    recall: float
    f1: float


def curve(gold: Annotations, pred: Mapping[str, Sequence[Entity]]) -> list[Point]:
    """Score predictions at the thresholds 0.00, 0.01 and so on, while something is predicted.

    Thresholds below the lowest score give the same scores as the lowest of them: only the highest
    of these is listed.

    gold (Annotations): The entities of one label. Predictions for other documents are ignored.
    pred (Mapping[str, Sequence[Entity]]): Its predictions, all with scores.
    """
    total = sum(map(len, gold.values()))
    scored = sorted(_judged(gold, pred), reverse=True)
    points: list[Point] = []
    right = 0
    for threshold in (step / STEPS for step in range(STEPS, -1, -1)):
        number = points[-1].predicted if points else 0
        while number < len(scored) and scored[number][0] >= threshold:
            right += scored[number][1]
            number += 1
        precision = right / number if number else 0.0
        recall = right / total if total else 0.0
        both = precision + recall
        f1 = 2 * precision * recall / both if both else 0.0
        if number and not (points and points[-1].predicted == number == len(scored)):
            points.append(Point(threshold, number, right, precision, recall, f1))
    return points[::-1]


def _judged(
    gold: Annotations, pred: Mapping[str, Sequence[Entity]]
) -> Iterator[tuple[float, bool]]:
    """The score of each prediction, and whether it is right. Equal ones count once."""
    for document, entities in gold.items():
        left = Counter(entity[:4] for entity in entities)
        first = {entity[:3]: entity for entity in reversed(pred.get(document, ()))}
        for entity in first.values():
            yield entity.score or 0.0, left[entity[:4]] > 0
