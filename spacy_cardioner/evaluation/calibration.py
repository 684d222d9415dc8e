"""Calibration: whether about eight of ten entities with a score of 0.8 are correct.

source: Naeini, Cooper and Hauskrecht, AAAI 2015 (expected calibration error)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacy_cardioner.errors import CardionerError, reason
from spacy_cardioner.evaluation.matching import Annotations
from spacy_cardioner.spans import Entity
from spacy_cardioner.texts import read_jsonl

BINS = 10


@dataclass(frozen=True)
class Bin:
    """The entities with scores from `low` to `high`, their mean score, and the fraction correct."""

    low: float
    high: float
    entities: int
    score: float
    right: float


@dataclass(frozen=True)
class Calibration:
    """How well scores agree with the fraction of correct entities.

    error (float): The expected calibration error: the difference between mean score and fraction
        of a bin, averaged over all entities.
    """

    error: float
    entities: int
    bins: list[Bin]


def calibrate(scored: Iterable[tuple[float | None, bool]]) -> Calibration:
    """Compare the scores of entities with their correctness, in bins of equal width.

    scored (Iterable): The score of each entity, and whether the entity is correct.
    RAISES (CardionerError): A score is missing or not between 0 and 1.
    """
    groups: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for score, right in scored:
        if score is None or not 0.0 <= score <= 1.0:
            raise CardionerError(f"a score of {score} is no probability between 0 and 1")
        groups[min(int(score * BINS), BINS - 1)].append((score, right))
    bins = []
    for number, group in enumerate(groups):
        if group:
            mean, fraction = (sum(column) / len(group) for column in zip(*group, strict=True))
            bins.append(Bin(number / BINS, (number + 1) / BINS, len(group), mean, fraction))
    total = sum(one.entities for one in bins)
    distances = sum(one.entities * abs(one.score - one.right) for one in bins)
    return Calibration(distances / total if total else 0.0, total, bins)


def calibrations(
    gold: Annotations,
    scored: Mapping[str, Iterable[Entity]],
    labels: Collection[str] | None = None,
) -> dict[str, Calibration]:
    """Compare the scores of predictions with their strict correctness.

    gold (Annotations): The entities of every document. Predictions for others are ignored.
    RETURNS (dict[str, Calibration]): By label, and under "all" if there are several.
    """
    judged: dict[str, list[tuple[float | None, bool]]] = {}
    for name, entities in gold.items():
        right = {entity[:3] for entity in entities}
        for entity in scored.get(name, ()):
            if labels is None or entity.label in labels:
                judged.setdefault(entity.label, []).append((entity.score, entity[:3] in right))
    made = {label: calibrate(pairs) for label, pairs in sorted(judged.items())}
    if len(judged) > 1:
        made["all"] = calibrate(pair for pairs in judged.values() for pair in pairs)
    return made


def read_scored(path: Path, *, needed: bool = True) -> dict[str, list[Entity]]:
    """Read predictions with scores, as ``cardioner annotate --format jsonl`` writes them.

    needed (bool): Whether an entity without a score is an error.
    RAISES (CardionerError): The file is missing or malformed, or an entity has no score.
    """
    found: dict[str, list[Entity]] = {}
    for number, row in read_jsonl(path):
        try:
            name, entities = str(row["id"]), [_entity(one, needed) for one in row["entities"]]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CardionerError(
                f"{path}:{number}: not a note with {'scored ' * needed}entities, as `cardioner "
                f"annotate --format jsonl` writes them ({reason(error)})"
            ) from error
        if name in found:
            raise CardionerError(f"{path}:{number}: an earlier note has the same id")
        found[name] = entities
    return found


def _entity(given: Mapping[str, Any], needed: bool) -> Entity:
    start, end, label = int(given["start"]), int(given["end"]), given["label"]
    if not (0 <= start < end and isinstance(label, str) and isinstance(given["text"], str)):
        raise ValueError("an offset, a label or a text is invalid")
    score = float(given["score"]) if needed or given.get("score") is not None else None
    return Entity(start, end, label, given["text"], score)
