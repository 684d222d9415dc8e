"""What may be an entity: spans that overlap, what speaks for each, and which of them to take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy
from spacy.tokens import SpanGroup

from spacy_cardioner.layers.crf import Floats, Ints
from spacy_cardioner.pipeline.reranker.borders import (
    BorderCounts,
    Words,
    gap_keys,
    keys_after,
    keys_before,
    word_keys,
)

SIDES = ("longer_after", "shorter_after", "longer_before", "shorter_before")
OWN = (
    "probability",
    "length",
    "first",
    "last",
    "begins",
    "ends",
    "begins_inside",
    "ends_inside",
)
FEATURES = (
    *OWN,
    "mass",
    "rival",
    *(f"rival_{name}" for name in OWN),
    *(f"{side}_{what}" for side in SIDES for what in ("probability", "words")),
)

# Probabilities are taken for no less than this, and no more than 1 minus this.
_RAREST = 1e-3
# What stands for "nothing there" among logarithms of odds.
_NO_CANDIDATE = -7.0
_NO_GAP = -6.0


class Candidate(NamedTuple):
    """What may be an entity: its first token, the one after its last, its probability."""

    start: int
    end: int
    probability: float


def candidates_of(alternatives: SpanGroup, label: str) -> list[Candidate]:
    """The candidates of a label in a group of spans with probabilities, the likeliest of each."""
    probable: dict[tuple[int, int], float] = {}
    for span, score in zip(alternatives, alternatives.attrs["scores"], strict=True):
        if span.label_ == label:
            border = span.start, span.end
            probable[border] = max(score, probable.get(border, 0.0))
    return [Candidate(*border, score) for border, score in sorted(probable.items())]


def features(counts: BorderCounts, words: Words, candidates: Sequence[Candidate]) -> Floats:
    """What speaks for and against each candidate.

    counts (BorderCounts): What annotated documents say.
    words (Words): The words of the document.
    candidates (Sequence[Candidate]): The candidates of one label, sorted.
    RETURNS (Floats): A row for each, a column for each of `FEATURES`. Probabilities and counts are
        given as logarithms of odds. "begins_inside" and "ends_inside" are the greatest between its
        own words. "mass" is the sum of its probability and of those of all that overlap it. Its
        "rival" is the most probable of these: 1 if there is one, and what it has itself.
        "longer_after" is the most probable candidate that starts where it does and ends later, and
        "_words" is what the counts say of the words by which they differ.
    """
    if not candidates:
        return numpy.zeros((0, len(FEATURES)), dtype="f")
    own = _own(counts, words, candidates)
    mass, rivals, neighbours = _compare(candidates)
    there = rivals >= 0
    rival = numpy.where(there[:, None], own[rivals], 0.0)
    rival[~there, 0] = _NO_CANDIDATE
    columns = [own, mass[:, None], there[:, None], rival]
    for side, others in zip(SIDES, neighbours.T, strict=True):
        there = others >= 0
        differing = _differences(counts, words, candidates, side, others)
        columns.append(numpy.where(there, own[others, 0], _NO_CANDIDATE)[:, None])
        columns.append(numpy.where(there, differing, 0.0)[:, None])
    return numpy.hstack(columns).astype("f")


def choose(
    candidates: Sequence[Candidate], scores: Floats, threshold: float
) -> list[tuple[Candidate, float]]:
    """Choose candidates that do not overlap, the most probable first.

    candidates (Sequence[Candidate]): The candidates.
    scores (Floats): The probability of each.
    threshold (float): Leave out what is less probable.
    RETURNS (List[Tuple[Candidate, float]]): The chosen ones and their probabilities.
    """
    chosen: list[tuple[Candidate, float]] = []
    taken: set[int] = set()
    for place in numpy.argsort(-scores, kind="stable").tolist():
        candidate, score = candidates[place], float(scores[place])
        tokens = range(candidate.start, candidate.end)
        if score >= threshold and taken.isdisjoint(tokens):
            chosen.append((candidate, score))
            taken.update(tokens)
    return chosen


def _own(counts: BorderCounts, words: Words, candidates: Sequence[Candidate]) -> Floats:
    """What can be said of each candidate by itself: a column for each of `OWN`."""
    starts, ends = _borders(candidates)
    probable = numpy.array([one.probability for one in candidates])
    probable = numpy.clip(probable, _RAREST, 1 - _RAREST)
    of_words, keys = word_keys(words), gap_keys(words)
    first, last = counts.first.look_up(of_words), counts.last.look_up(of_words)
    begins, ends_at = counts.begins.look_up(keys), counts.ends.look_up(keys)
    inside = [
        numpy.array([at[one.start + 1 : one.end].max(initial=_NO_GAP) for one in candidates])
        for at in (begins, ends_at)
    ]
    odds = numpy.log(probable / (1 - probable))
    at_borders = first[starts], last[ends - 1], begins[starts], ends_at[ends]
    return numpy.stack([odds, numpy.log(ends - starts), *at_borders, *inside], axis=1)


def _borders(candidates: Sequence[Candidate]) -> tuple[Ints, Ints]:
    table = numpy.array([one[:2] for one in candidates])
    return table[:, 0], table[:, 1]


def _overlaps(candidates: Sequence[Candidate]) -> Iterator[tuple[int, int]]:
    """The places of all pairs of candidates that overlap, each pair once."""
    for first, one in enumerate(candidates):
        for second in range(first + 1, len(candidates)):
            if candidates[second].start >= one.end:
                break
            yield first, second


def _compare(candidates: Sequence[Candidate]) -> tuple[Floats, Ints, Ints]:
    """The mass of each candidate, and the places of its rival and its neighbours, -1 for none."""
    mass = numpy.array([one.probability for one in candidates])
    best = numpy.full((len(candidates), 1 + len(SIDES)), -1)

    def look_at(place: int, column: int, other: int) -> None:
        known = best[place, column]
        if known < 0 or candidates[other].probability > candidates[known].probability:
            best[place, column] = other

    # Sorted, the second of a pair with one start ends later, and that with one end starts later.
    for first, second in _overlaps(candidates):
        for place, other in ((first, second), (second, first)):
            mass[place] += candidates[other].probability
            look_at(place, 0, other)
        if candidates[first].start == candidates[second].start:
            look_at(first, 1, second)
            look_at(second, 2, first)
        elif candidates[first].end == candidates[second].end:
            look_at(second, 3, first)
            look_at(first, 4, second)
    return mass, best[:, 0], best[:, 1:]


def _differences(
    counts: BorderCounts, words: Words, candidates: Sequence[Candidate], side: str, others: Ints
) -> Floats:
    """What the counts say of the words by which candidates differ from neighbours on a side."""
    starts, ends = _borders(candidates)
    if side.endswith("after"):
        low, high = numpy.minimum(ends, ends[others]), numpy.maximum(ends, ends[others])
        return counts.after.look_up(keys_after(words, low, high))
    low, high = numpy.minimum(starts, starts[others]), numpy.maximum(starts, starts[others])
    return counts.before.look_up(keys_before(words, low, high))
