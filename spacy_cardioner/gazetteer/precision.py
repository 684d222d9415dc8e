"""How often the names of a list are what they say, measured on an annotated corpus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# What is known beforehand counts like this many places.
_STRENGTH = 2.0

Counts = tuple[int, int]


class Precision:
    """Names counted in a corpus, each within its group of names, such as brands or analytes.

    A name's precision is smoothed with that of its group, as a name seen once says little about
    itself; and a group's with that of all names. In a group every name counts once, however often
    it occurs: what is asked is how the next name of the group will do, which nobody has seen.
    Where nothing was counted at all, every precision is 0.

    source: Efron and Morris, Stein's Paradox in Statistics, 1977, for smoothing towards groups
    """

    def __init__(self, counts: Mapping[str, Mapping[str, Counts]] | None = None) -> None:
        """Start from counts, or from none.

        counts (Mapping[str, Mapping[str, Counts]]): For each group and name, how many places of a
            corpus were annotated so, and how many there were.
        """
        self.counts = {group: dict(names) for group, names in (counts or {}).items()}
        self._priors: dict[str, float] = {}

    def count(self, group: str, name: str, right: bool) -> None:
        """Count one place where a corpus has a name.

        group (str): The group of the name.
        name (str): The name.
        right (bool): Whether it is annotated, with these borders.
        """
        names = self.counts.setdefault(group, {})
        seen_right, seen = names.get(name, (0, 0))
        names[name] = (seen_right + right, seen + 1)
        self._priors.clear()

    def of(self, group: str, name: str) -> float:
        """How probable it is that a place with this name would be annotated.

        group (str): The group of the name.
        name (str): The name.
        RETURNS (float): From 0 to 1.
        """
        if group not in self._priors:
            self._priors[group] = self._of_group(group)
        right, seen = self.counts.get(group, {}).get(name, (0, 0))
        return (right + _STRENGTH * self._priors[group]) / (seen + _STRENGTH)

    def _of_group(self, group: str) -> float:
        rates = {known: _rates(names) for known, names in self.counts.items()}
        everything = [rate for found in rates.values() for rate in found]
        overall = sum(everything) / len(everything) if everything else 0.0
        own = rates.get(group, [])
        return (sum(own) + _STRENGTH * overall) / (len(own) + _STRENGTH)

    def to_dict(self) -> dict[str, Any]:
        """The counts, sorted, as `from_dict` takes them."""
        return {
            group: {name: list(seen) for name, seen in sorted(names.items())}
            for group, names in sorted(self.counts.items())
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Mapping[str, Any]]) -> Precision:
        """Make what `to_dict` gave."""
        return cls(
            {
                group: {name: (int(right), int(seen)) for name, (right, seen) in names.items()}
                for group, names in data.items()
            }
        )


def _rates(names: Mapping[str, Counts]) -> list[float]:
    return [right / seen for right, seen in names.values()]
