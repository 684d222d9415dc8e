"""Word alignment learned from the parallel texts themselves, without an encoder.

IBM's second model, with the positions of fast_align: a word is translated by a word near the same
relative place. It is learned in both directions by expectation maximisation. A word stands for all
that begin like it, and words that look the same in both languages are likely translations at first.

source: https://aclanthology.org/J93-2003
source: https://aclanthology.org/N13-1073
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spacy_cardioner.projection.sentences import anchor

# Letters of the beginning of a word.
STEM = 6
# Passes over the texts.
PASSES = 5
# Probability that a word has no translation.
NULL = 0.08
# How fast the probability of a link falls with its distance from the diagonal.
TENSION = 4.0
# How many times as likely a translation that looks the same is at first.
ALIKE = 200.0

Matrix = NDArray[np.float32]
Words = Sequence[str]


class Numbered(NamedTuple):
    """Sentences as numbers of words, and the anchor of each number.

    The number after the last stands for no word.
    """

    sentences: list[NDArray[np.int64]]
    anchors: list[str]


def align_words(pairs: Sequence[tuple[Words, Words]]) -> list[Matrix]:
    """Align the words of sentences that translate each other.

    RETURNS (list[Matrix]): For each pair, source x target words: the geometric mean of the
        probabilities of a link in both directions.
    """
    if not pairs:
        return []
    ours, theirs = (_number([pair[side] for pair in pairs]) for side in (0, 1))
    forward, backward = _learn(ours, theirs), _learn(theirs, ours)
    return [np.sqrt(one * other.T) for one, other in zip(forward, backward, strict=True)]


def _number(sentences: Sequence[Words]) -> Numbered:
    numbers: dict[str, int] = {}
    anchors: list[str] = []
    found = []
    for words in sentences:
        row = []
        for word in words:
            key = word.lower()[:STEM] if word.isalpha() else word.lower()
            if key not in numbers:
                numbers[key] = len(numbers)
                anchors.append(anchor(word))
            row.append(numbers[key])
        found.append(np.array(row, np.int64))
    return Numbered(found, anchors)


def _learn(source: Numbered, target: Numbered) -> list[Matrix]:
    """The probability that each source word made each target word."""
    null, size = len(source.anchors), max(len(target.anchors), 1)
    lengths = [(len(s), len(t)) for s, t in zip(source.sentences, target.sentences, strict=True)]
    prior = np.concatenate([_positions(n, m) for n, m in lengths])
    # All links of a target word have its number; each link, the number of its two words.
    sizes = np.concatenate([np.full(m, n + 1) for n, m in lengths])
    word = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    keys = [
        (np.append(s, null)[None] * size + t[:, None]).ravel()
        for s, t in zip(source.sentences, target.sentences, strict=True)
    ]
    known, link = np.unique(np.concatenate(keys), return_inverse=True)
    made_by = known // size
    alike = [
        bool(ours) and ours == theirs
        for ours, theirs in zip(
            np.array([*source.anchors, ""], object)[made_by],
            np.array([*target.anchors, ""], object)[known % size],
            strict=True,
        )
    ]
    likely = np.where(alike, ALIKE, 1.0)
    for last in [*[False] * PASSES, True]:
        found = prior * likely[link]
        found /= np.bincount(word, found, minlength=len(sizes))[word]
        if not last:
            counts = np.bincount(link, found, minlength=len(known))
            likely = counts / np.bincount(made_by, counts)[made_by]
    ends = np.cumsum([(n + 1) * m for n, m in lengths])
    return [
        part.reshape(m, n + 1)[:, :n].T.astype(np.float32)
        for part, (n, m) in zip(np.split(found, ends[:-1]), lengths, strict=True)
    ]


def _positions(n: int, m: int) -> NDArray[np.float64]:
    """The probability of each place for each target word; no word comes last."""
    places = (np.arange(n) + 0.5) / max(n, 1) - ((np.arange(m) + 0.5) / max(m, 1))[:, None]
    near = np.exp(-TENSION * np.abs(places))
    near *= (1 - NULL) / np.maximum(near.sum(1, keepdims=True), 1e-9)
    return np.append(near, np.full((m, 1), NULL), axis=1).ravel()
