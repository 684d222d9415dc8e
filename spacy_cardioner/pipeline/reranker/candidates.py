"""Candidates: overlapping spans that may be entities, their features, and the choice of some."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy
from spacy.tokens import SpanGroup

from spacy_cardioner.layers.crf import Floats, Ints
from spacy_cardioner.pipeline.reranker.boundaries import (
    BoundaryCounts,
    Words,
    gap_keys,
    keys_after,
    keys_before,
    word_keys,
)
from spacy_cardioner.spans import Entity, non_overlapping

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

# Probabilities are clipped to this, and to 1 minus this.
_RAREST = 1e-3
# Log odds where there is nothing.
_NO_CANDIDATE = -7.0
_NO_GAP = -6.0


def candidates_of(alternatives: SpanGroup, label: str) -> list[Entity]:
    """The candidates of a label, sorted. Of equal spans, the most probable counts."""
    probable: dict[tuple[int, int], float] = {}
    for span, score in zip(alternatives, alternatives.attrs["scores"], strict=True):
        if span.label_ == label:
            place = span.start, span.end
            probable[place] = max(score, probable.get(place, 0.0))
    return [Entity(*place, label, score=score) for place, score in sorted(probable.items())]


def features(counts: BoundaryCounts, words: Words, candidates: Sequence[Entity]) -> Floats:
    """The features of each candidate.

    candidates (Sequence[Entity]): The candidates of one label in a document, sorted.
    RETURNS (Floats): A row for each candidate, a column for each of `FEATURES`. Probabilities and
        counts are log odds. "begins_inside" and "ends_inside" are the highest between its own
        words. "mass" is the sum of its probability and of those of all candidates that overlap it.
        Its "rival" is the most probable of these: 1 if there is one, and its features.
        "longer_after" is the most probable candidate with the same start and a later end, and
        "_words" is what the counts say about the words by which they differ.
    """
    if not candidates:
        return numpy.zeros((0, len(FEATURES)), dtype="f")
    table = numpy.array([one[:2] for one in candidates])
    starts, ends = table[:, 0], table[:, 1]
    own = _own(counts, words, candidates, starts, ends)
    mass, rivals, neighbours = _compare(candidates)
    there = rivals >= 0
    rival = numpy.where(there[:, None], own[rivals], 0.0)
    rival[~there, 0] = _NO_CANDIDATE
    columns = [own, mass[:, None], there[:, None], rival]
    for side, others in zip(SIDES, neighbours.T, strict=True):
        there = others >= 0
        differing = _differences(counts, words, starts, ends, side, others)
        columns.append(numpy.where(there, own[others, 0], _NO_CANDIDATE)[:, None])
        columns.append(numpy.where(there, differing, 0.0)[:, None])
    return numpy.hstack(columns).astype("f")


def choose(candidates: Iterable[Entity], threshold: float) -> list[Entity]:
    """Choose candidates above a threshold that do not overlap, the most probable first."""
    probable = [one for one in candidates if (one.score or 0) >= threshold]
    return non_overlapping(probable, order=lambda one: -(one.score or 0))


def _own(
    counts: BoundaryCounts, words: Words, candidates: Sequence[Entity], starts: Ints, ends: Ints
) -> Floats:
    """The features of each candidate by itself: a column for each of `OWN`."""
    probable = numpy.clip([one.score or 0 for one in candidates], _RAREST, 1 - _RAREST)
    of_words, keys = word_keys(words), gap_keys(words)
    first, last = counts.first.look_up(of_words), counts.last.look_up(of_words)
    begins, ends_at = counts.begins.look_up(keys), counts.ends.look_up(keys)
    # Faster than numpy's maximum of a few numbers.
    inside = [
        [max((_NO_GAP, *at[one.start + 1 : one.end])) for one in candidates]
        for at in (begins.tolist(), ends_at.tolist())
    ]
    odds = numpy.log(probable / (1 - probable))
    at_boundaries = first[starts], last[ends - 1], begins[starts], ends_at[ends]
    return numpy.stack([odds, numpy.log(ends - starts), *at_boundaries, *inside], axis=1)


def _compare(candidates: Sequence[Entity]) -> tuple[Floats, Ints, Ints]:
    """The mass of each candidate, and the indices of its rival and its neighbours, -1 for none."""
    probable = [one.score or 0.0 for one in candidates]
    mass = numpy.array(probable)
    best = numpy.full((len(candidates), 1 + len(SIDES)), -1)

    def look_at(place: int, column: int, other: int) -> None:
        known = best[place, column]
        if known < 0 or probable[other] > probable[known]:
            best[place, column] = other

    # The candidates are sorted: the second of a pair ends later if both start together, and starts
    # later if both end together.
    for first, one in enumerate(candidates):
        for second in range(first + 1, len(candidates)):
            if candidates[second].start >= one.end:
                break
            for place, other in ((first, second), (second, first)):
                mass[place] += probable[other]
                look_at(place, 0, other)
            if candidates[second].start == one.start:
                look_at(first, 1, second)
                look_at(second, 2, first)
            elif candidates[second].end == one.end:
                look_at(second, 3, first)
                look_at(first, 4, second)
    return mass, best[:, 0], best[:, 1:]


def _differences(
    counts: BoundaryCounts, words: Words, starts: Ints, ends: Ints, side: str, others: Ints
) -> Floats:
    """What the counts say about the words by which candidates differ from their neighbours."""
    if side.endswith("after"):
        low, high = numpy.minimum(ends, ends[others]), numpy.maximum(ends, ends[others])
        return counts.after.look_up(keys_after(words, low, high))
    low, high = numpy.minimum(starts, starts[others]), numpy.maximum(starts, starts[others])
    return counts.before.look_up(keys_before(words, low, high))
