"""What became of the mentions of a projection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from statistics import mean
from typing import Any

from wasabi.tables import table

from spacy_cardioner.projection.project import Carried

HEADER = ("label", "mentions", "carried", "share", "mean score")


def report(carried: Iterable[tuple[str, Carried]]) -> dict[str, Any]:
    """Count the mentions of each label, and name those that were not carried.

    carried (Iterable[tuple[str, Carried]]): Mentions with the path of their file.
    RETURNS (dict[str, Any]): JSON-serialisable data without the text of mentions.
    """
    read: Counter[str] = Counter()
    done: Counter[str] = Counter()
    scores: dict[str, list[float]] = {}
    left = []
    for file, (mention, found, reason) in carried:
        read[mention.label] += 1
        if found is not None:
            done[mention.label] += 1
            scores.setdefault(mention.label, []).append(found.score or 0.0)
            continue
        place = {"file": file, "label": mention.label, "start": mention.start, "end": mention.end}
        left.append({**place, "reason": reason})
    return {
        "labels": {
            label: {
                "mentions": read[label],
                "carried": done[label],
                "share": round(done[label] / read[label], 4),
                "mean_score": round(mean(scores.get(label) or [0.0]), 4),
            }
            for label in sorted(read)
        },
        "reasons": dict(sorted(Counter(one["reason"] for one in left).items())),
        "not_carried": left,
    }


def show(data: dict[str, Any]) -> str:
    """A report as text: a table of the labels, the reasons, and each mention not carried."""
    rows = [
        (label, one["mentions"], one["carried"], f"{one['share']:.4f}", f"{one['mean_score']:.4f}")
        for label, one in data["labels"].items()
    ]
    printed = [table(rows, header=HEADER, divider=True, aligns=("l", "r", "r", "r", "r"))]
    printed += [f"not carried: {reason}: {n}" for reason, n in data["reasons"].items()]
    printed += [
        "{file}: {label} {start} {end}: {reason}".format(**one) for one in data["not_carried"]
    ]
    return "\n".join(part.strip("\n") for part in printed)
