"""From the scores of a batch to the entities of each document, with their probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy
from thinc.util import to_numpy

from spacy_cardioner.layers.crf import BEGIN, INSIDE, Floats, Ints, best_tags, log_sum, posterior
from spacy_cardioner.spans import Entity

# Starts, ends and probabilities of spans.
Found = tuple[Ints, Ints, Floats]


class Decoded(NamedTuple):
    """The entities of a document, sorted by token boundaries and then by head.

    The score of each is the probability of an entity with exactly these boundaries.

    entities (list[Entity]): Those on the best sequence of tags of each head.
    alternatives (list[Entity]): All spans that are probable enough, which may overlap.
    """

    entities: list[Entity]
    alternatives: list[Entity]

    def moved(self, change: Callable[[Entity], Entity]) -> Decoded:
        """The same with other boundaries, which `change` gives each entity."""
        return Decoded(*([change(entity) for entity in group] for group in self))


def decode(
    steps: Floats,
    lengths: Sequence[int],
    labels: Sequence[str],
    *,
    alternatives: float | None = None,
) -> list[Decoded]:
    """Decode the entities of a batch.

    steps (Floats): The scores of all documents, as `layers.crf` describes them.
    alternatives (float | None): Lowest probability of alternatives, above 0. None finds none.
    """
    tags = best_tags(steps)
    log_joint, log_next = (to_numpy(array) for array in posterior(steps))
    decoded = [Decoded([], []) for _ in lengths]
    ends_of_docs = numpy.cumsum(lengths)
    for head, label in enumerate(labels):
        joint, following = log_joint[:, :, head], log_next[:, :, head]
        groups = [_on_path(tags[head], joint, following)]
        if alternatives is not None:
            groups.append(_alternatives(joint, following, alternatives))
        for group, found in enumerate(groups):
            docs = numpy.searchsorted(ends_of_docs, found[0], side="right")
            offsets = ends_of_docs[docs] - numpy.asarray(lengths)[docs]
            columns = (column.tolist() for column in (docs, offsets, *found))
            for doc, offset, start, end, score in zip(*columns, strict=True):
                decoded[doc][group].append(Entity(start - offset, end - offset, label, score=score))
    for document in decoded:
        for entities in document:
            entities.sort(key=lambda entity: entity[:2])
    return decoded


def _on_path(path: Ints, log_joint: Floats, log_next: Floats) -> Found:
    """The entities on a sequence of tags.

    The probability of an entity is P(B) of its first token, times P(I) of each other token, times
    P(not I) of the token after it. No entity continues in the next document, because no document
    starts with I.
    """
    starts = numpy.flatnonzero(path == BEGIN)
    stops = numpy.append(numpy.flatnonzero(path != INSIDE), len(path))
    ends = stops[numpy.searchsorted(stops, starts, side="right")]
    along = numpy.cumsum(log_next[numpy.roll(path, 1), path, range(len(path))], dtype="float64")
    begins = log_sum(log_joint[:, BEGIN, starts], 0)
    continues = log_next[path[ends - 1], INSIDE, ends % len(path)]
    whole = numpy.exp(begins + along[ends - 1] - along[starts])
    return starts, ends, numpy.minimum(whole * (1 - numpy.exp(continues)), 1.0)


def _alternatives(log_joint: Floats, log_next: Floats, floor: float) -> Found:
    """All spans that are at least as probable as `floor`.

    They grow by a token at a time from where an entity may begin, as long as an entity that
    continues is probable enough.
    """
    lowest = numpy.log(floor)
    begins = log_sum(log_joint[:, BEGIN], 0).astype("float64")
    starts = numpy.flatnonzero(begins >= lowest)
    inside = begins[starts]
    found = [(starts[:0], starts[:0], inside[:0])]
    last, length = BEGIN, 1
    while len(starts):
        continues = log_next[last, INSIDE, (starts + length) % len(begins)]
        whole = numpy.minimum(numpy.exp(inside) * (1 - numpy.exp(continues)), 1.0)
        probable = whole >= floor
        found.append((starts[probable], starts[probable] + length, whole[probable]))
        inside = inside + continues
        longer = inside >= lowest
        starts, inside = starts[longer], inside[longer]
        last, length = INSIDE, length + 1
    starts, ends, scores = (numpy.concatenate(column) for column in zip(*found, strict=True))
    return starts, ends, scores
