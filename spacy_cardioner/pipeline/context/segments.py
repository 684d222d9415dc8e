"""Where cues work: in their sentence, or in their item of a list within a line.

In "1) No fever 2) Pneumonia", the "No" denies the fever only; in "No 1) fever 2) pneumonia" both.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import pairwise

from spacy.tokens import Doc

BULLET = "•"
MARK = re.compile(
    r"(?<!\S)(?:[#(]?(?P<number>[0-9]{1,2})(?:[.)ºª°]+[-–—]*|[-–—]|(?<=#[0-9])|(?<=#[0-9]{2}))"
    r"|(?P<letter>[a-h])\)|(?P<sign>->|[-–—*+>])|[•‣·▪●■►➢✓])(?=\s?[^\W\d_])"
)


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

    A mark counts if it opens its sentence, is a bullet or the first number or letter, or follows
    the mark before it.
    """
    starts: set[int] = set()
    marks = list(MARK.finditer(doc.text))
    places = [token.idx for token in doc] if marks else []
    sentences = [sentence.start for sentence in doc.sents] if marks else []
    in_sentence, last, last_number = -1, "", 0
    for mark in marks:
        token = bisect_right(places, mark.start()) - 1
        sentence = sentences[bisect_right(sentences, token) - 1]
        if sentence != in_sentence:
            in_sentence, last, last_number = sentence, "", 0
        kind, number = _kind(mark)
        follows = number == 1 + (last_number if kind == last else 0) if number else kind == last
        if follows or kind == BULLET or token == sentence:
            starts.add(token)
            last, last_number = kind, number
    return starts


def _kind(mark: re.Match[str]) -> tuple[str, int]:
    """What a mark counts and to which number, or its sign and 0."""
    if mark["number"]:
        return "number", int(mark["number"])
    if mark["letter"]:
        return "letter", ord(mark["letter"]) - ord("a") + 1
    return mark["sign"] or BULLET, 0
