"""Count the correct predictions of each document, in three ways.

* strict: document, start, end, label and text are equal.
* overlapping: the labels are equal, and the two share at least one character. Gold entities and
  predictions are paired one to one, in as many pairs as possible ("type matching" of SemEval-2013).
* official: strict as in the scorer of MultiCardioNER, which ignores documents without a gold
  entity, so that false positives there cost nothing. It evaluates one label at a time; micro
  treats all labels as one task.

If predictions have the same document, label, start and end, only the first one counts.

source: https://github.com/nlp4bia-bsc/multicardioner_evaluation_library
source: https://aclanthology.org/S13-2056 (SemEval-2013 task 9)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from spacy_cardioner.errors import CardionerError, listed
from spacy_cardioner.spans import Entity

Annotations = Mapping[str, Sequence[Entity]]

MEASURES = ("strict", "overlapping", "official")


def count(gold: Annotations, pred: Annotations, labels: Sequence[str]) -> NDArray[np.int64]:
    """Count gold entities, predictions and correct predictions of every document.

    For the arguments, see `scores.score`.

    RETURNS (NDArray): Documents, sorted by name x MEASURES x (labels, micro) x the three counts.
    RAISES (CardionerError): `gold` is empty, or `pred` has documents that `gold` does not have.
    """
    if not gold:
        raise CardionerError("The gold annotations have no document, so there is nothing to score.")
    if unknown := sorted(set(pred) - set(gold)):
        named = listed(unknown, "document")
        raise CardionerError(f"Predictions for documents without gold annotations: {named}.")
    rows = [_count_document(gold[name], pred.get(name, ()), labels) for name in sorted(gold)]
    matched = np.array(rows, dtype=np.int64).reshape(len(gold), 2, len(labels), 3)
    matched = np.concatenate([matched, matched.sum(axis=2, keepdims=True)], axis=2)
    strict = matched[:, :1]
    official = strict * (strict[..., :1] > 0)
    return np.concatenate([matched, official], axis=1)


def count_overlapping(gold: Iterable[Entity], pred: Iterable[Entity]) -> int:
    """Count the largest possible number of pairs that share a character.

    Sweeps over the ends in O(n log n). The entity that ends first is paired with the started one of
    the other side that ends next. Any other partner ends later, so the greedy choice is optimal.
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
    """All labels of the entities."""
    return {entity.label for entities in annotations.values() for entity in entities}


def relabelled(annotations: Annotations, rename: Mapping[str, str]) -> dict[str, list[Entity]]:
    """The entities with new labels, by the old ones."""
    return {
        name: [entity._replace(label=rename.get(entity.label, entity.label)) for entity in entities]
        for name, entities in annotations.items()
    }


def _count_document(
    gold: Iterable[Entity], pred: Iterable[Entity], labels: Sequence[str]
) -> list[list[tuple[int, int, int]]]:
    """Strict and overlapping counts of a document, for each label."""
    first: dict[tuple[int, int, str], Entity] = {}
    for entity in pred:
        first.setdefault(entity[:3], entity)
    strict, overlapping = [], []
    for label in labels:
        ours = [entity for entity in gold if entity.label == label]
        theirs = [entity for entity in first.values() if entity.label == label]
        # Scores and codes do not count: gold annotations do not have them.
        same = Counter(e[:4] for e in ours) & Counter(e[:4] for e in theirs)
        strict.append((len(ours), len(theirs), same.total()))
        overlapping.append((len(ours), len(theirs), count_overlapping(ours, theirs)))
    return [strict, overlapping]
