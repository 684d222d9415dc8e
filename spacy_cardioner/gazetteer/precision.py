"""How often names are entities, measured on an annotated corpus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The prior counts as this many occurrences.
_STRENGTH = 2.0


class Precision:
    """The smoothed precision of names, which are counted by group, such as brands or analytes.

    The precision of a name is smoothed with that of its group, and that of a group with that of all
    names. Every name of a group has the same weight, however frequent it is, because the precision
    is asked for the next, unseen name. Without any counts, every precision is 0.

    source: Efron and Morris, Stein's Paradox in Statistics, 1977, for shrinkage towards groups
    """

    def __init__(self) -> None:
        # Occurrences that are entities, and all occurrences, by group and name.
        self.counts: dict[str, dict[str, tuple[int, int]]] = {}
        self._priors: dict[str, float] = {}

    def count(self, group: str, name: str, right: bool) -> None:
        """Count an occurrence of a name, which is an entity with the same boundaries or not."""
        names = self.counts.setdefault(group, {})
        seen_right, seen = names.get(name, (0, 0))
        names[name] = (seen_right + right, seen + 1)
        self._priors.clear()

    def of(self, group: str, name: str) -> float:
        """The probability that an occurrence of a name is an entity."""
        if group not in self._priors:
            overall = _mean([rate for each in self.counts for rate in self._rates(each)], 0.0, 0.0)
            self._priors[group] = _mean(self._rates(group), overall)
        right, seen = self.counts.get(group, {}).get(name, (0, 0))
        return (right + _STRENGTH * self._priors[group]) / (seen + _STRENGTH)

    def _rates(self, group: str) -> list[float]:
        return [right / seen for right, seen in self.counts.get(group, {}).values()]

    def to_dict(self) -> dict[str, Any]:
        """The counts, sorted, as `from_dict` takes them."""
        return {
            group: {name: list(seen) for name, seen in sorted(names.items())}
            for group, names in sorted(self.counts.items())
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Mapping[str, Any]]) -> Precision:
        """Make a precision from the data of `to_dict`."""
        precision = cls()
        for group, names in data.items():
            precision.counts[group] = {name: (right, seen) for name, (right, seen) in names.items()}
        return precision


def _mean(rates: list[float], prior: float, strength: float = _STRENGTH) -> float:
    weight = len(rates) + strength
    return (sum(rates) + strength * prior) / weight if weight else 0.0
