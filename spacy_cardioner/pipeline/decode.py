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
    """

    start: int
    end: int
    head: int
    probability: float


def decode(steps: Floats, lengths: Sequence[int]) -> list[list[Mention]]:
    """Find the entities on each head's best sequence of tags.

    steps (Floats): The scores of all documents together, as `layers.crf` describes them.
    lengths (Sequence[int]): The number of tokens of each document.
    RETURNS (list[list[Mention]]): The entities of each document, in the order of the text.
    """
    tags = best_tags(steps)
    log_joint, log_next = (to_numpy(array) for array in posterior(steps))
    doc_ends = numpy.cumsum(lengths)
    mentions: list[list[Mention]] = [[] for _ in lengths]
    for head, path in enumerate(tags):
        starts, ends = _borders(path)
        scores = _probabilities(path, starts, ends, log_joint[:, :, head], log_next[:, :, head])
        docs = numpy.searchsorted(doc_ends, starts, side="right")
        offsets = doc_ends[docs] - numpy.asarray(lengths)[docs]
        columns = (docs, starts - offsets, ends - offsets, scores)
        for doc, start, end, score in zip(*(c.tolist() for c in columns), strict=True):
            mentions[doc].append(Mention(start, end, head, score))
    return [sorted(found) for found in mentions]


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
