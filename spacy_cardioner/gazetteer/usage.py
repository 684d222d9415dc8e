"""How texts use names: common words are frequent, in small letters, inside sentences.

A brand name stands in capitals or starts with one; an abbreviation stands in capitals. So a word
that texts often write in small letters inside a sentence is a word of the language, and what they
often write in capitals and nowhere else is an abbreviation, whatever else carries its name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from spacy_cardioner.gazetteer.normalise import fold, pieces

_PIECE = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|\n")
_SENTENCE_ENDS = set('.!?:;\n•·-–*"“«(')


@dataclass
class Usage:
    """How often texts have a name.

    count (int): Occurrences.
    inside (int): Those inside a sentence, that is neither at its start nor at a line's.
    small (int): Those inside a sentence and all in small letters.
    capitals (int): Those all in capitals.
    """

    count: int = 0
    inside: int = 0
    small: int = 0
    capitals: int = 0

    def note(self, text: str, inside: bool) -> None:
        """Count an occurrence."""
        self.count += 1
        self.inside += inside
        self.small += inside and text.islower()
        self.capitals += text.isupper()


def count_usage(texts: Iterable[str], names: Iterable[str]) -> tuple[dict[str, Usage], int]:
    """Count how texts use names.

    texts (Iterable[str]): The texts.
    names (Iterable[str]): The names to count.
    RETURNS (tuple[dict[str, Usage], int]): The usage of those that occur, by the name's pieces
        joined by spaces; and the number of words of all texts.
    """
    wanted = {" ".join(pieces(name)) for name in names}
    longest: dict[str, int] = {}
    for joined in wanted:
        first, *rest = joined.split(" ")
        longest[first] = max(longest.get(first, 0), len(rest) + 1)
    usage: dict[str, Usage] = {}
    total = 0
    for text in texts:
        found = _words(text)
        total += len(found)
        folded = [fold(word) for word, _ in found]
        for start, first in enumerate(folded):
            for length in range(longest.get(first, 0), 0, -1):
                joined = " ".join(folded[start : start + length])
                if joined in wanted:
                    words = " ".join(word for word, _ in found[start : start + length])
                    usage.setdefault(joined, Usage()).note(words, found[start][1])
                    break
    return usage, total


def _words(text: str) -> list[tuple[str, bool]]:
    """The words of a text as `pieces` cuts them, and whether each is inside a sentence."""
    found = []
    inside = False
    for piece in _PIECE.findall(unicodedata.normalize("NFC", text)):
        if piece.isalnum():
            found.append((piece, inside))
            inside = True
        elif piece in _SENTENCE_ENDS:
            inside = inside and piece == "-"
    return found
