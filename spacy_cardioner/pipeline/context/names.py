"""Names of persons and places that look like relatives: "Dr. Nieto", "Hospital Virgen Madre"."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from spacy.tokens import Doc

LONGEST = 4  # words between a title or a place and the name that looks like a relative
PARTICLES = frozenset("de la del los las di of the y e da al della".split())
INITIAL = re.compile(r"[A-ZÀ-Þ]\.$")


class Names:
    """Knows names by the words around them.

    words (Mapping[str, Sequence[str]]): "titles" of persons ("Dr."), and kinds of "places"
        ("Hospital").
    """

    def __init__(self, words: Mapping[str, Sequence[str]]) -> None:
        self.titles = frozenset(words.get("titles", ()))
        self.places = frozenset(words.get("places", ()))

    def covers(self, doc: Doc, index: int) -> bool:
        """Whether a word for a relative is part of a name."""
        left = [doc[place] for place in range(index - 1, max(-1, index - LONGEST - 2), -1)]
        if left and left[0].text == ".":
            left = left[1:]
        near = left[:1]
        if near and near[0].lower_ in self.titles:
            return True
        if doc[index].is_lower:
            return False
        if near and INITIAL.match(near[0].text):
            return True
        for before, token in enumerate(left, start=1):
            if token.text == "." and before < len(left) and left[before].lower_ in self.titles:
                return True
            if token.lower_ in self.titles or (token.lower_ in self.places and not token.is_lower):
                return True
            if not (token.text[:1].isupper() or token.lower_ in PARTICLES):
                break
        for place in range(index + 1, min(len(doc), index + LONGEST + 1)):
            token = doc[place]
            if token.lower_ in self.places and token.is_title:
                return True
            if not (token.is_title or token.lower_ in PARTICLES):
                break
        return False
