"""Whether scores are probabilities: of the entities scored 0.8, are eight of ten right?

source: Naeini, Cooper and Hauskrecht, AAAI 2015 (expected calibration error)
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wasabi.tables import table

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.evaluation.matching import Annotations
from spacy_cardioner.spans import Entity

BINS = 10
ALL = "all"

ScoredEntity = tuple[Entity, float]


@dataclass(frozen=True)
class Bin:
    """The entities whose scores lie between two borders, the lower one included.

    score (float): The mean of their scores.
    right (float): The share of them that is right.
    """

    low: float
    high: float
    entities: int
    score: float
    right: float


@dataclass(frozen=True)
class Calibration:
    """How far scores are from shares.

    error (float): The expected calibration error: the distance of score and share in a bin, on
        average over all entities.
    bins (list[Bin]): Those with any entity.
    """

    error: float
    entities: int
    bins: list[Bin]


def calibrate(scored: Iterable[tuple[float, bool]], bins: int = BINS) -> Calibration:
    """Compare scores with what was right.

    scored (Iterable[tuple[float, bool]]): Score of each entity, and whether it is right.
    bins (int): How many parts of the same width the scores from 0 to 1 are put into.
    RAISES (CardionerError): A score is not between 0 and 1.
    """
    groups: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for score, right in scored:
        if not 0.0 <= score <= 1.0:
            raise CardionerError(f"a score of {score} is no probability: they are from 0 to 1")
        groups[min(int(score * bins), bins - 1)].append((score, right))
    made = [_bin(number, bins, group) for number, group in enumerate(groups) if group]
    total = sum(one.entities for one in made)
    distances = sum(one.entities * abs(one.score - one.right) for one in made)
    return Calibration(distances / total if total else 0.0, total, made)


def _bin(number: int, bins: int, group: Sequence[tuple[float, bool]]) -> Bin:
    size = len(group)
    score = sum(score for score, _ in group) / size
    right = sum(right for _, right in group) / size
    return Bin(number / bins, (number + 1) / bins, size, score, right)


def calibrations(
    gold: Annotations,
    scored: Mapping[str, Iterable[ScoredEntity]],
    labels: Collection[str] | None = None,
    bins: int = BINS,
) -> dict[str, Calibration]:
    """Judge predictions strictly, and compare their scores with the result.

    gold (Annotations): The entities of every document; predictions for others are left out.
    scored (Mapping[str, Iterable[ScoredEntity]]): The predictions of each document.
    labels (Collection[str] | None): Look at these alone. Default: all that were predicted.
    RETURNS (dict[str, Calibration]): By label, and under "all" where there are several.
    """
    judged: dict[str, list[tuple[float, bool]]] = {}
    for name, entities in gold.items():
        right = {entity[:3] for entity in entities}
        for entity, score in scored.get(name, ()):
            if labels is None or entity.label in labels:
                judged.setdefault(entity.label, []).append((score, entity[:3] in right))
    made = {label: calibrate(pairs, bins) for label, pairs in sorted(judged.items())}
    if len(judged) > 1:
        made[ALL] = calibrate([pair for pairs in judged.values() for pair in pairs], bins)
    return made


def read_scored(path: Path) -> dict[str, list[ScoredEntity]]:
    """Read predictions with scores, as `cardioner annotate --format jsonl` writes them.

    RAISES (CardionerError): The file is missing or malformed, or an entity has no score.
    """
    try:
        lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CardionerError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    return dict(_note(path, number, line) for number, line in enumerate(lines, 1))


def _note(path: Path, number: int, line: str) -> tuple[str, list[ScoredEntity]]:
    try:
        row = json.loads(line)
        return str(row["id"]), [_scored(entity) for entity in row["entities"]]
    except (ValueError, KeyError, TypeError) as error:
        raise CardionerError(
            f"{path}:{number}: not a note with scored entities, as `cardioner annotate --format "
            f"jsonl` writes them ({type(error).__name__}: {error})"
        ) from error


def _scored(row: Mapping[str, Any]) -> ScoredEntity:
    entity = Entity(int(row["start"]), int(row["end"]), str(row["label"]), str(row["text"]))
    return entity, float(row["score"])


def render(made: Mapping[str, Calibration]) -> str:
    """The errors, and for each label a table of its bins."""
    if not made:
        return "Calibration: nothing was predicted."
    parts = []
    for label, calibration in made.items():
        rows = [
            (f"{one.low:.1f}-{one.high:.1f}", one.entities, f"{one.score:.3f}", f"{one.right:.3f}")
            for one in calibration.bins
        ]
        header = ("score", "entities", "mean score", "share right")
        lines = table(rows, header=header, divider=True, aligns=("l", "r", "r", "r")).splitlines()
        head = (
            f"{label}: expected calibration error {calibration.error:.4f}, "
            f"{calibration.entities} entities"
        )
        parts.append("\n".join([head, *(line.rstrip() for line in lines if line.strip())]))
    return "\n\n".join(parts)


def to_dict(made: Mapping[str, Calibration]) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The same as plain dictionaries and numbers."""
    return {label: asdict(calibration) for label, calibration in made.items()}
