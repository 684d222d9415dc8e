"""Where cues work: in their sentence, or in their item of a list within a line.

In "1) No fever 2) Pneumonia", the "No" denies the fever only; in "No 1) fever 2) pneumonia" both.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Set
from itertools import pairwise
from typing import NamedTuple

from spacy.tokens import Doc

BULLET = "•"
# What starts a list item at the start of a line.
LIST_MARK = r"(?:[-*•·–—+>]|[0-9]{1,2}[.)-])"
MARK = re.compile(
    r"(?<!\S)(?:[#(]?(?P<number>[0-9]{1,2})(?:[.)ºª°]+[-–—]*|[-–—]|(?<=#[0-9])|(?<=#[0-9]{2}))"
    r"|(?P<letter>[a-h])\)|(?P<sign>->|[-–—*+>])|[•‣·▪●■►➢✓])(?=\s?[^\W\d_])"
)

Place = tuple[int, str, int]


class Mark(NamedTuple):
    """A mark of a list. kind, number (str, int): What it counts; a sign counts nothing."""

    token: int
    sentence: int
    kind: str
    number: int


def segments(doc: Doc) -> list[range]:
    """The tokens in which a cue works, for each token where one may start.

    Before the first item of a list, it is the whole sentence.
    """
    found: list[range] = []
    starts = item_starts(doc)
    for sentence in doc.sents:
        whole = range(sentence.start, sentence.end)
        inside = [start for start in whole if start in starts] if starts else []
        borders = [*inside, sentence.end]
        found += [whole] * (borders[0] - sentence.start)
        for start, end in pairwise(borders):
            found += [range(start, end)] * (end - start)
    return found


def item_starts(doc: Doc) -> set[int]:
    """The first tokens of list items.

    A mark counts if it is a bullet, a first number or letter, or next to another in its sentence,
    and a sign if it opens the sentence.
    """
    matches = list(MARK.finditer(doc.text))
    if not matches:
        return set()
    places = [token.idx for token in doc]
    sentences = [sentence.start for sentence in doc.sents]
    marks = []
    for match in matches:
        token = bisect_right(places, match.start()) - 1
        sentence = sentences[bisect_right(sentences, token) - 1]
        marks.append(Mark(token, sentence, *_kind(match)))
    known = {mark[1:] for mark in marks}
    opened = {mark[1:] for mark in marks if mark.token == mark.sentence}
    return {mark.token for mark in marks if _is_item(mark, known, opened)}


def _is_item(mark: Mark, known: Set[Place], opened: Set[Place]) -> bool:
    token, sentence, kind, number = mark
    if kind == BULLET or mark[1:] in opened:
        return True
    near = {(sentence, kind, number - 1), (sentence, kind, number + 1)}
    return number == 1 or bool(number and not near.isdisjoint(known))


def _kind(mark: re.Match[str]) -> tuple[str, int]:
    """What a mark counts and to which number, or its sign and 0."""
    if mark["number"]:
        return "number", int(mark["number"])
    if mark["letter"]:
        return "letter", ord(mark["letter"]) - ord("a") + 1
    return mark["sign"] or BULLET, 0
