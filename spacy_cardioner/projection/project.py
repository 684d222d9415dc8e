"""Carry the mentions of texts over to their translations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from spacy_cardioner.projection.encoder import Encoder
from spacy_cardioner.projection.links import add_contextual, statistical
from spacy_cardioner.projection.spans import Range, Side, agreement, carry
from spacy_cardioner.projection.statistical import Matrix
from spacy_cardioner.projection.texts import Parallel
from spacy_cardioner.projection.translations import Translations
from spacy_cardioner.spans import Entity

# Why a mention is not carried.
NO_NOTE = "no note of this name in the target"
NO_SENTENCE = "its sentence has no translation"
NO_WORD = "no word of the translation is linked to it"
SAME = "another mention of its label has the same translation"
UNSURE = "its score is too low"

# What the share of a translation among all of a mention adds to the agreement of its links.
USUAL = 1.0


class Carried(NamedTuple):
    """A mention of the source, and what it became.

    found (Entity | None): The mention in the translation, with its score.
    reason (str): Why there is none.
    """

    mention: Entity
    found: Entity | None
    reason: str = ""


@dataclass(frozen=True)
class Function:
    """The function words of both languages, in lower case."""

    source: frozenset[str] = frozenset()
    target: frozenset[str] = frozenset()


class Place(NamedTuple):
    """The sentences of a mention with their translation, and the words of the mention."""

    links: Matrix
    mention: Range
    source: Side
    target: Side
    bounds: list[Range]

    @property
    def spelled(self) -> list[str]:
        """The words of the mention, in lower case."""
        return [word.lower() for word in self.source.words[slice(*self.mention)]]

    @property
    def translation(self) -> list[str]:
        """The words of the translation of its sentences, in lower case."""
        return [word.lower() for word in self.target.words]

    def carry(self) -> tuple[Range, float] | None:
        """See `spans.carry`."""
        return carry(self.links, self.mention, self.source, self.target)


def project(
    texts: Sequence[Parallel],
    mentions: Sequence[Sequence[Entity]],
    function: Function = Function(),
    encoder: Encoder | None = None,
) -> list[list[Carried]]:
    """Carry the mentions of each text over to its translation.

    function (Function): Words at which no mention starts or ends, unless it does in the source.
    encoder (Encoder | None): Adds contextual links to those that are learned from the texts.
    RETURNS (list[list[Carried]]): One for each mention, in the same order.
    """
    links = statistical(texts)
    if encoder is not None:
        wanted = [
            {pair for one in each for pair in text.around(one.start, one.end)}
            for text, each in zip(texts, mentions, strict=True)
        ]
        add_contextual(links, texts, wanted, encoder)
    places = [
        [_place(text, own, one, function) for one in each]
        for text, own, each in zip(texts, links, mentions, strict=True)
    ]
    known = Translations()
    for place in (one for each in places for one in each if one is not None):
        if found := place.carry():
            known.learn(place.spelled, place.translation[slice(*found[0])], found[1])
    return [
        list(
            _distinct(
                _carried(one, place, text, known) for one, place in zip(each, own, strict=True)
            )
        )
        for text, each, own in zip(texts, mentions, places, strict=True)
    ]


def _place(
    text: Parallel, links: Sequence[Matrix], one: Entity, function: Function
) -> Place | None:
    """Where a mention lies; None if no word, or no sentence of the translation, lies there."""
    numbers = text.around(one.start, one.end)
    sides = [text.words(text.pairs[number]) for number in numbers]
    ours = [word for words, _ in sides for word in words]
    theirs = [word for _, words in sides for word in words]
    if not theirs:
        return None
    joined = np.zeros((len(ours), len(theirs)), np.float32)
    row = column = 0
    for number in numbers:
        n, m = links[number].shape
        joined[row : row + n, column : column + m] = links[number]
        row, column = row + n, column + m
    inside = [i for i, (start, end) in enumerate(ours) if start < one.end and one.start < end]
    source, target = (
        Side(side.spelled(words), light)
        for side, words, light in (
            (text.source, ours, function.source),
            (text.target, theirs, function.target),
        )
    )
    return Place(joined, (inside[0], inside[-1] + 1), source, target, theirs)


def _carried(one: Entity, place: Place | None, text: Parallel, known: Translations) -> Carried:
    """Carry a mention, to a usual translation of it if its links agree."""
    if place is None:
        return Carried(one, None, NO_SENTENCE)
    found, words = place.carry(), place.translation
    ranges = {*([found[0]] if found else []), *known.find(place.spelled, words)}
    sure = {each: agreement(place.links, place.mention, each) for each in sorted(ranges)}
    usual = {each: known.share(place.spelled, words[slice(*each)]) for each in sure}
    best = max(sure, key=lambda each: sure[each] + USUAL * usual[each], default=None)
    if best is None or not sure[best]:
        return Carried(one, None, NO_WORD)
    start, end = place.bounds[best[0]][0], place.bounds[best[1] - 1][1]
    mention = text.target.text[start:end]
    return Carried(one, Entity(start, end, one.label, mention, score=sure[best]))


def _distinct(carried: Iterator[Carried]) -> Iterator[Carried]:
    """Without what several mentions of a label became: it belongs to the first of them."""
    seen = set()
    for one in carried:
        if one.found is not None and one.found[:3] in seen:
            one = Carried(one.mention, None, SAME)
        elif one.found is not None:
            seen.add(one.found[:3])
        yield one
