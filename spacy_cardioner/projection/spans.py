"""From linked words to the words of a mention in the translation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# What a link to a word outside the mention costs, compared with the gain of one inside.
OUTSIDE = 0.5
# What a word of the translation without a link adds: it belongs to its neighbours ("CT scan" for
# "TC"), unless it is a function word or punctuation.
UNLINKED, LIGHT = 0.02, -0.05
# Sum of the links of a word from which on it counts as linked.
LINKED = 0.02
# Probability of a link from which on it holds a function word at the border of a mention.
HOLDS = 0.5
CLOSES = {"(": ")", "[": "]"}
OPENS = {close: open_ for open_, close in CLOSES.items()}

Range = tuple[int, int]


class Side(NamedTuple):
    """The words of sentences, and the function words of their language in lower case."""

    words: Sequence[str]
    function: Collection[str] = frozenset()

    def light(self, i: int) -> bool:
        """Whether a word is a function word or punctuation, at which no mention starts or ends."""
        word = self.words[i]
        if len(word) == 1 and word.isupper():
            return False  # "vitamina A"
        return word.lower() in self.function or not any(c.isalnum() or c in "%+" for c in word)


def carry(
    links: NDArray[np.float32], mention: Range, source: Side, target: Side
) -> tuple[Range, float] | None:
    """Find the words that translate a mention.

    These are the words in a row with the most links to the mention, less those to other words.
    Function words and brackets at the borders belong to them only if they do in the mention.

    links (NDArray): The probability that two words translate each other, source x target words.
    mention (tuple[int, int]): Its words in the source, the end excluded.
    RETURNS (Optional[tuple[tuple[int, int], float]]): The words and their `agreement`; None if no
        word is linked to the mention.
    """
    inside = links[slice(*mention)].sum(0)
    gain = inside - OUTSIDE * (links.sum(0) - inside)
    for j in np.flatnonzero(links.sum(0) < LINKED):
        gain[j] = LIGHT if target.light(j) else UNLINKED
    found = _best_row(gain.tolist())
    if found is None:
        return None
    start, end = _trimmed(*found, links, mention, source, target)
    sure = agreement(links, mention, (start, end))
    return ((start, end), sure) if sure else None


def agreement(links: NDArray[np.float32], mention: Range, found: Range) -> float:
    """How much of the links of a mention and of its translation are between the two, 0 to 1."""
    ours, theirs = links[slice(*mention)], links[:, slice(*found)]
    total = float(ours.sum() + theirs.sum())
    return 2 * float(ours[:, slice(*found)].sum()) / total if total else 0.0


def _best_row(gain: Sequence[float]) -> Range | None:
    """The range with the largest sum, if there is one above 0 (Kadane's algorithm)."""
    best, found, sum_, start = 0.0, None, 0.0, 0
    for i, value in enumerate(gain):
        if sum_ <= 0:
            sum_, start = 0.0, i
        sum_ += value
        if sum_ > best + 1e-9:
            best, found = sum_, (start, i + 1)
    return found


def _trimmed(
    start: int, end: int, links: NDArray[np.float32], mention: Range, source: Side, target: Side
) -> Range:
    """Without light words at a border that the mention does not have there."""
    heavy = [i for i in range(*mention) if not source.light(i)]
    held = links[heavy].max(0, initial=0) >= HOLDS

    def loose(j: int) -> bool:
        word = target.words[j]
        if word in CLOSES or word in OPENS:
            return CLOSES.get(word) not in rest() and OPENS.get(word) not in rest()
        return target.light(j) and not (held[j] and word.isalnum())

    def rest() -> Sequence[str]:
        return target.words[start:end]

    if heavy and not source.light(mention[0]):
        while start < end and loose(start):
            start += 1
    if heavy and not source.light(mention[1] - 1):
        while start < end and loose(end - 1):
            end -= 1
    return start, end
