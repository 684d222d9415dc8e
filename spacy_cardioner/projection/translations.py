"""Which translations the mentions have in a corpus."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from spacy_cardioner.projection.spans import Range

# Agreement from which on a translation is learned.
SURE = 0.75
# A mention has a usual translation from this many on.
OFTEN = 2

Words = tuple[str, ...]


class Translations:
    """The translations of mentions, as words in lower case, and how often each was found."""

    def __init__(self) -> None:
        self._known: defaultdict[Words, Counter[Words]] = defaultdict(Counter)

    def learn(self, mention: Sequence[str], translation: Sequence[str], agreement: float) -> None:
        """Count a translation, if it is sure enough."""
        if agreement >= SURE:
            self._known[tuple(mention)][tuple(translation)] += 1

    def share(self, mention: Sequence[str], translation: Sequence[str]) -> float:
        """Of all translations of a mention, the share of this one."""
        known = self._known.get(tuple(mention), Counter())
        return known[tuple(translation)] / known.total() if known.total() >= OFTEN else 0.0

    def find(self, mention: Sequence[str], words: Sequence[str]) -> Iterator[Range]:
        """YIELDS (tuple[int, int]): Where a known translation of a mention is among words."""
        known = self._known.get(tuple(mention), Counter())
        for translation in known if known.total() >= OFTEN else ():
            size = len(translation)
            for start in range(len(words) - size + 1):
                if words[start] == translation[0] and (
                    tuple(words[start : start + size]) == translation
                ):
                    yield start, start + size
