"""What went wrong: the kind of each gold entity that was not found, and of each wrong prediction.

Gold entities and predictions that are equal are right, as in the strict measure of `matching`. The
others are judged by those of the other side, not right themselves, that share a character:

* border left, border right, border both: one of the same label, with other boundaries.
* split: several predictions of the label share the gold entity.
* merged: a prediction shares several gold entities of the label.
* label: the boundaries are equal, the label is another.
* label and border: only entities of other labels share it.
* text: boundaries and label are equal, but the mention is spelled differently.
* missed: nothing shares the gold entity.
* spurious: nothing shares the prediction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from spacy_cardioner.spans import Entity

RIGHT, MISSED, SPURIOUS = "right", "missed", "spurious"
LABEL, LABEL_AND_BORDER = "label", "label and border"
BORDERS = ("border left", "border right", "border both")
KINDS = (MISSED, SPURIOUS, *BORDERS, "split", "merged", LABEL, LABEL_AND_BORDER, "text")
# In a confusion matrix: no gold entity, or no prediction.
NOTHING = ""


class Judged(NamedTuple):
    """An entity, and what became of it.

    kind (str): "right", or one of `KINDS`.
    others (tuple[Entity, ...]): Those of the other side that share it: the equal one if it is
        right, else those that are not right themselves.
    """

    document: str
    entity: Entity
    kind: str
    others: tuple[Entity, ...] = ()


class Judgement(NamedTuple):
    """All gold entities and all different predictions of some documents."""

    gold: list[Judged]
    pred: list[Judged]


def judge(gold: Mapping[str, Sequence[Entity]], pred: Mapping[str, Sequence[Entity]]) -> Judgement:
    """Judge the entities of documents. As in `matching.count`, equal predictions count once.

    pred (Mapping[str, Sequence[Entity]]): Predictions for other documents than `gold` are ignored.
    """
    made = Judgement([], [])
    for document, ours in gold.items():
        first: dict[tuple[int, int, str], Entity] = {}
        for entity in pred.get(document, ()):
            first.setdefault(entity[:3], entity)
        theirs = list(first.values())
        right = Counter(e[:4] for e in ours) & Counter(e[:4] for e in theirs)
        wrong_gold, wrong_pred = list(_without(ours, right)), list(_without(theirs, right))
        made.gold.extend(_judged(document, ours, wrong_gold, wrong_pred, MISSED))
        made.pred.extend(_judged(document, theirs, wrong_pred, wrong_gold, SPURIOUS))
    return made


def confusion(judged: Judgement) -> dict[str, dict[str, int]]:
    """Count gold entities by their label and by the label that was predicted in their place.

    An entity that was found with other boundaries counts as found. `NOTHING` is the label predicted
    for missed ones, and the gold label of spurious predictions.
    """
    cells: dict[str, Counter[str]] = {}
    for one in judged.gold:
        predicted = one.entity.label
        if one.kind == MISSED:
            predicted = NOTHING
        elif one.kind in (LABEL, LABEL_AND_BORDER):
            predicted = max(one.others, key=lambda other: _shared(one.entity, other)).label
        cells.setdefault(one.entity.label, Counter())[predicted] += 1
    for one in judged.pred:
        if one.kind == SPURIOUS:
            cells.setdefault(NOTHING, Counter())[one.entity.label] += 1
    return {label: dict(sorted(row.items())) for label, row in sorted(cells.items())}


def _without(
    entities: Iterable[Entity], right: Counter[tuple[int, int, str, str]]
) -> Iterator[Entity]:
    """The entities but for the right ones, of which the first of several equal ones is taken."""
    left = Counter(right)
    for entity in entities:
        if left[entity[:4]]:
            left[entity[:4]] -= 1
        else:
            yield entity


def _judged(
    document: str,
    entities: Sequence[Entity],
    wrong: Sequence[Entity],
    others: Sequence[Entity],
    alone: str,
) -> Iterator[Judged]:
    """Judge the entities of one side.

    wrong, others (Sequence[Entity]): Those of this side and of the other that are not right.
    alone (str): The kind of one that no other shares.
    """
    left = Counter(map(id, wrong))
    for entity in entities:
        if left[id(entity)]:
            left[id(entity)] -= 1
            sharing = tuple(other for other in others if _shared(entity, other))
            same = [other for other in sharing if other.label == entity.label]
            kind = (
                _kind(entity, same, wrong, alone) if same else _other_label(entity, sharing, alone)
            )
            yield Judged(document, entity, kind, tuple(same) or sharing)
        else:
            yield Judged(document, entity, RIGHT, (entity,))


def _kind(entity: Entity, same: Sequence[Entity], wrong: Sequence[Entity], alone: str) -> str:
    """The kind of an entity that others of its label share."""
    several, one_of_several = ("split", "merged") if alone == MISSED else ("merged", "split")
    if len(same) > 1:
        return several
    [other] = same
    if other[:2] == entity[:2]:
        return "text"
    rivals = sum(one.label == entity.label and _shared(one, other) > 0 for one in wrong)
    if rivals > 1:
        return one_of_several
    left, right = other.start != entity.start, other.end != entity.end
    return BORDERS[2 if left and right else int(right)]


def _other_label(entity: Entity, sharing: Sequence[Entity], alone: str) -> str:
    if not sharing:
        return alone
    exact = any(other[:2] == entity[:2] for other in sharing)
    return LABEL if exact else LABEL_AND_BORDER


def _shared(one: Entity, other: Entity) -> int:
    """The number of characters that two entities share."""
    return max(0, min(one.end, other.end) - max(one.start, other.start))
