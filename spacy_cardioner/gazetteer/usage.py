"""How texts use names.

Brand names are capitalised and abbreviations are in upper case. So a word that texts often write
in lower case inside a sentence is a word of the language, and one that they write only in upper
case is an abbreviation, even if a drug has the same name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from spacy_cardioner.gazetteer.normalise import fold, pieces

_PIECE = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|\n")
_SENTENCE_ENDS = set('.!?:;\n•·-–*"“«(')


@dataclass
class Usage:
    """Counts of the occurrences of a name.

    count (int): All.
    inside (int): Those inside a sentence: not at the start of a sentence or line.
    lower (int): Those inside a sentence in lower case.
    upper (int): Those in upper case.
    """

    count: int = 0
    inside: int = 0
    lower: int = 0
    upper: int = 0

    def add(self, text: str, inside: bool) -> None:
        """Count an occurrence."""
        self.count += 1
        self.inside += inside
        self.lower += inside and text.islower()
        self.upper += text.isupper()


def count_usage(texts: Iterable[str], names: Iterable[str]) -> tuple[dict[str, Usage], int]:
    """Count how texts use names. Of several names that start with a word, the longest counts.

    RETURNS (tuple[dict[str, Usage], int]): The usage of the names that occur, by the pieces of the
        name joined by spaces; and the number of words in all texts.
    """
    wanted = {" ".join(pieces(name)) for name in names}
    longest: dict[str, int] = {}
    for joined in wanted:
        first, *rest = joined.split(" ")
        longest[first] = max(longest.get(first, 0), len(rest) + 1)
    usage: dict[str, Usage] = {}
    total = 0
    for text in texts:
        found = list(_words(text))
        total += len(found)
        folded = [fold(word) for word, _ in found]
        for start, first in enumerate(folded):
            for length in range(longest.get(first, 0), 0, -1):
                joined = " ".join(folded[start : start + length])
                if joined in wanted:
                    words = " ".join(word for word, _ in found[start : start + length])
                    usage.setdefault(joined, Usage()).add(words, found[start][1])
                    break
    return usage, total


def _words(text: str) -> Iterator[tuple[str, bool]]:
    """The words of a text, split as `pieces` does, and whether each is inside a sentence."""
    inside = False
    for piece in _PIECE.findall(unicodedata.normalize("NFC", text)):
        if piece.isalnum():
            yield piece, inside
            inside = True
        elif piece in _SENTENCE_ENDS:
            inside = inside and piece == "-"
