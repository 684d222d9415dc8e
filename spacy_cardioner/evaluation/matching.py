"""Which predicted entities are right, counted for every document, in three ways.

* strict: document, start, end, label and text are the same.
* overlapping: the labels are the same and the two share at least one character. One gold entity
  accounts for one prediction, and the pairs are chosen so that there are as many as possible. This
  is "type matching" of SemEval-2013 task 9.1, each pair counting in full.
* official: strict as the scorer of MultiCardioNER counts it, which never looks at a document
  without a gold entity, so that predictions there cost nothing. It is given one label at a time,
  and so is the figure of each label here; micro takes all labels as one task.

Of predictions with the same document, label, start and end the first counts and the others do not,
in every measure.

source: https://github.com/nlp4bia-bsc/multicardioner_evaluation_library
source: https://aclanthology.org/S13-2056 (SemEval-2013 task 9)
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.spans import Entity

Annotations = Mapping[str, Sequence[Entity]]

MEASURES = ("strict", "overlapping", "official")


def count(gold: Annotations, pred: Annotations, labels: Sequence[str]) -> NDArray[np.int64]:
    """Count the entities of every document: in the gold, predicted, and rightly predicted.

    gold (Annotations): The entities of every document, an empty list where there are none.
    pred (Annotations): The predictions; a document that is not in it has none.
    RETURNS (NDArray): Documents, sorted by name, x MEASURES x (labels, micro) x the three counts.
    RAISES (CardionerError): `gold` has no document, or `pred` has one that `gold` has not.
    """
    if not gold:
        raise CardionerError("The gold has no document, so there is nothing to score.")
    if unknown := sorted(set(pred) - set(gold)):
        named = ", ".join(unknown[:5]) + ", ..." * (len(unknown) > 5)
        raise CardionerError(f"Predictions for documents that the gold does not have: {named}.")
    rows = [_count_document(gold[name], pred.get(name, ()), labels) for name in sorted(gold)]
    matched = np.array(rows, dtype=np.int64).reshape(len(gold), 2, len(labels), 3)
    matched = np.concatenate([matched, matched.sum(axis=2, keepdims=True)], axis=2)
    strict = matched[:, :1]
    official = strict * (strict[..., :1] > 0)
    return np.concatenate([matched, official], axis=1)


def count_overlapping(gold: Iterable[Entity], pred: Iterable[Entity]) -> int:
    """The greatest number of pairs, one gold and one predicted, that share a character.

    Sweeps over the ends. The entity that ends first of all that are left is paired with the one of
    the other side that has started and ends next: whatever that one could be paired with instead,
    one with a later end could be too. So the greedy choice is the best, in O(n log n).
    """
    spans = [(one.start, one.end, side) for side, ones in enumerate((gold, pred)) for one in ones]
    upcoming = sorted(spans, reverse=True)
    started: tuple[list[int], list[int]] = ([], [])
    pairs = 0
    for end in sorted(end for _, end, _ in spans):
        while upcoming and upcoming[-1][0] < end:
            _, until, side = upcoming.pop()
            heappush(started[side], until)
        while all(started) and min(started[0][0], started[1][0]) <= end:
            heappop(started[0])
            heappop(started[1])
            pairs += 1
        for ends in started:
            while ends and ends[0] <= end:
                heappop(ends)
    return pairs


def labels_of(annotations: Annotations) -> set[str]:
    """RETURNS (set[str]): Every label that an entity has."""
    return {entity.label for entities in annotations.values() for entity in entities}


def _count_document(
    gold: Iterable[Entity], pred: Iterable[Entity], labels: Sequence[str]
) -> list[list[tuple[int, int, int]]]:
    """Strict and overlapping counts of one document, for each label."""
    wanted, found = _by_label(gold), _by_label(_first_of_each(pred))
    strict, overlapping = [], []
    for label in labels:
        one, other = wanted[label], found[label]
        same = (Counter(one) & Counter(other)).total()
        strict.append((len(one), len(other), same))
        overlapping.append((len(one), len(other), count_overlapping(one, other)))
    return [strict, overlapping]


def _first_of_each(predictions: Iterable[Entity]) -> list[Entity]:
    """Drop predictions with the start, end and label of an earlier one."""
    first: dict[tuple[int, int, str], Entity] = {}
    for entity in predictions:
        first.setdefault((entity.start, entity.end, entity.label), entity)
    return list(first.values())


def _by_label(entities: Iterable[Entity]) -> defaultdict[str, list[Entity]]:
    groups: defaultdict[str, list[Entity]] = defaultdict(list)
    for entity in entities:
        groups[entity.label].append(entity)
    return groups
