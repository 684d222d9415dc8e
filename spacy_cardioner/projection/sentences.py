"""Alignment of the sentences of two texts, of which one is a translation of the other.

Sentences are matched in the order of the texts, one or several to one or several, by dynamic
programming. Evidence are anchors, which look the same in both languages (numbers, names, the
beginnings of words of a common origin), and the lengths (Gale and Church 1993).

source: https://aclanthology.org/J93-1004
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Letters of a word's beginning that make an anchor.
STEM = 4
# Most sentences on one side of a pair; the other then has one or two.
MOST = 4
# Cost of each sentence more than one on a side, and of a sentence without a partner.
MERGED, SKIPPED = 1.0, 2.0
# Characters that are added to both lengths: short sentences differ more.
SLACK = 5
# Sentences off the diagonal that are tried, beside the difference in number.
BAND = 12

STEPS = [
    (0, 1),
    (1, 0),
    *((a, b) for a in range(1, MOST + 1) for b in range(1, MOST + 1) if min(a, b) <= 2),
]


class Pair(NamedTuple):
    """Sentences that translate each other: half-open ranges of both texts. One may be empty."""

    source: tuple[int, int]
    target: tuple[int, int]


def anchor(word: str) -> str:
    """What may look the same in a translation of a word, or ""."""
    decomposed = unicodedata.normalize("NFKD", word.lower())
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    if any(map(str.isdigit, bare)):
        return bare.replace(",", ".")
    if len(bare) >= STEM and bare.isalpha():
        return bare[:STEM]
    return bare if len(bare) > 1 and word.isupper() else ""


def align(source: Sequence[Sequence[str]], target: Sequence[Sequence[str]]) -> list[Pair]:
    """Align the sentences of two texts, given as their words.

    RETURNS (list[Pair]): In the order of the texts; each sentence is in one pair.
    """
    n, m = len(source), len(target)
    shared = _before(_shared(_anchors(source), _anchors(target)))
    ours, theirs = _lengths(source), _lengths(target)
    best: dict[tuple[int, int], tuple[float, int, int]] = {(0, 0): (0.0, 0, 0)}
    for i, j in _places(n, m):
        if (i, j) not in best:
            continue
        for a, b in STEPS:
            k, h = i + a, j + b
            if k > n or h > m:
                continue
            score = best[i, j][0] - SKIPPED
            if a and b:
                anchored = shared[k][h] - shared[i][h] - shared[k][j] + shared[i][j]
                ratio = (ours[k] - ours[i] + SLACK) / (theirs[h] - theirs[j] + SLACK)
                score = best[i, j][0] + anchored - abs(math.log(ratio)) - MERGED * (a + b - 2)
            if (k, h) not in best or score > best[k, h][0]:
                best[k, h] = (score, a, b)
    pairs = []
    while n or m:
        _, a, b = best[n, m]
        pairs.append(Pair((n - a, n), (m - b, m)))
        n, m = n - a, m - b
    return pairs[::-1]


def _places(n: int, m: int) -> list[tuple[int, int]]:
    """The places near the diagonal, so that the steps to a place come before those from it."""
    band = BAND + abs(n - m)
    return [
        (i, j)
        for i in range(n + 1)
        for j in range(m + 1)
        if abs(j - (i * m // n if n else 0)) <= band
    ]


def _anchors(sentences: Sequence[Sequence[str]]) -> list[set[str]]:
    return [{anchor(word) for word in words} - {""} for words in sentences]


def _shared(ours: Sequence[set[str]], theirs: Sequence[set[str]]) -> NDArray[np.float64]:
    """The weight of the anchors that each two sentences share. Rare ones say more."""
    number = Counter(anchor for side in (ours, theirs) for one in side for anchor in one)
    both = sorted(set().union(*ours) & set().union(*theirs))
    column = {anchor: i for i, anchor in enumerate(both)}
    sides = []
    for side in (ours, theirs):
        has = np.zeros((len(side), len(both)))
        for i, one in enumerate(side):
            has[i, [column[anchor] for anchor in one if anchor in column]] = 1
        sides.append(has)
    weights = np.array([2 / (1 + number[anchor]) for anchor in both])
    return np.asarray((sides[0] * weights) @ sides[1].T)


def _before(values: NDArray[np.float64]) -> list[list[float]]:
    """Sums of all rows and columns before each place."""
    sums = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    sums[1:, 1:] = values.cumsum(0).cumsum(1)
    rows: list[list[float]] = sums.tolist()
    return rows


def _lengths(sentences: Sequence[Sequence[str]]) -> list[int]:
    """Characters of all sentences before each."""
    sums = [0]
    for words in sentences:
        sums.append(sums[-1] + sum(map(len, words)))
    return sums
