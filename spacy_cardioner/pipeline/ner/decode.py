"""From the scores of a batch to the entities of each document, with their probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy
from thinc.util import to_numpy

from spacy_cardioner.layers.crf import BEGIN, INSIDE, Floats, Ints, best_tags, log_sum, posterior


class Mention(NamedTuple):
    """An entity before it becomes a span.

    start (int): Its first token in the document.
    end (int): The token after its last.
    head (int): The head that found it.
    probability (float): How probable an entity of this head is that has exactly these borders.
    best (bool): Whether it is on the head's best sequence of tags.
    """

    start: int
    end: int
    head: int
    probability: float
    best: bool = True


def decode(
    steps: Floats, lengths: Sequence[int], alternatives: float | None = None
) -> list[list[Mention]]:
    """Find the entities on each head's best sequence of tags.

    steps (Floats): The scores of all documents together, as `layers.crf` describes them.
    lengths (Sequence[int]): The number of tokens of each document.
    alternatives (Optional[float]): Give also what is not on the best sequence, but at least this
        probable; greater than 0. These overlap one another.
    RETURNS (list[list[Mention]]): The entities of each document, in the order of the text.
    """
    tags = best_tags(steps)
    log_joint, log_next = (to_numpy(array) for array in posterior(steps))
    doc_ends = numpy.cumsum(lengths)
    mentions: list[list[Mention]] = [[] for _ in lengths]
    for head, path in enumerate(tags):
        starts, ends = _borders(path)
        of_head = log_joint[:, :, head], log_next[:, :, head]
        found = (
            starts,
            ends,
            _probabilities(path, starts, ends, *of_head),
            numpy.ones(len(starts), bool),
        )
        if alternatives is not None:
            # Before the entities of the path, which take their place where they are the same.
            others = _alternatives(*of_head, alternatives)
            pairs = zip((*others, numpy.zeros(len(others[0]), bool)), found, strict=True)
            found = tuple(numpy.concatenate(pair) for pair in pairs)
        docs = numpy.searchsorted(doc_ends, found[0], side="right")
        offsets = doc_ends[docs] - numpy.asarray(lengths)[docs]
        columns = (column.tolist() for column in (docs, offsets, *found))
        for doc, offset, start, end, score, best in zip(*columns, strict=True):
            mentions[doc].append(Mention(start - offset, end - offset, head, score, best))
    return [sorted({mention[:3]: mention for mention in each}.values()) for each in mentions]


def _borders(path: Ints) -> tuple[Ints, Ints]:
    """The first tokens of all entities on a path, and the tokens after their last.

    No path goes on into the next document, because no document starts with I.
    """
    starts = numpy.flatnonzero(path == BEGIN)
    stops = numpy.append(numpy.flatnonzero(path != INSIDE), len(path))
    return starts, stops[numpy.searchsorted(stops, starts, side="right")]


def _probabilities(
    path: Ints, starts: Ints, ends: Ints, log_joint: Floats, log_next: Floats
) -> Floats:
    """P(B at the start) times P(I) at each token inside, times P(not I) at the token after."""
    tokens = numpy.arange(len(path))
    along = numpy.cumsum(log_next[numpy.roll(path, 1), path, tokens], dtype="float64")
    begins = log_sum(log_joint[:, BEGIN, starts], 0)
    goes_on = log_next[path[ends - 1], INSIDE, ends % len(path)]
    whole = numpy.exp(begins + along[ends - 1] - along[starts])
    return numpy.minimum(whole * (1 - numpy.exp(goes_on)), 1.0)


def _alternatives(log_joint: Floats, log_next: Floats, floor: float) -> tuple[Ints, Ints, Floats]:
    """All spans that are at least so probable: starts, ends and probabilities.

    They grow by a token at a time from where an entity may begin, as long as one that goes on is
    probable enough.
    """
    lowest = numpy.log(floor)
    begins = log_sum(log_joint[:, BEGIN], 0)
    starts = numpy.flatnonzero(begins >= lowest)
    inside = begins[starts]
    found: list[tuple[Ints, Ints, Floats]] = []
    last, length = BEGIN, 1
    while len(starts):
        goes_on = log_next[last, INSIDE, (starts + length) % len(begins)]
        whole = numpy.minimum(numpy.exp(inside) * (1 - numpy.exp(goes_on)), 1.0)
        probable = whole >= floor
        found.append((starts[probable], starts[probable] + length, whole[probable]))
        inside = inside + goes_on
        longer = inside >= lowest
        starts, inside = starts[longer], inside[longer]
        last, length = INSIDE, length + 1
    columns = zip(*found, strict=True) if found else ((starts,), (starts,), (inside,))
    joined = tuple(numpy.concatenate(column) for column in columns)
    return joined
