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

from spacy_cardioner.gazetteer.lexicon import Lexicon
from spacy_cardioner.gazetteer.normalise import fold
from spacy_cardioner.gazetteer.patterns import Pattern

_PIECE = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|\n")
_SENTENCE_ENDS = set('.!?:;\n•·-–*"“«(')


@dataclass
class Usage:
    """Counts of the occurrences of a name."""

    count: int = 0
    # Not at the start of a sentence or line.
    inside: int = 0
    # Inside a sentence and in lower case.
    lower: int = 0
    upper: int = 0


def count_usage(texts: Iterable[str], names: Iterable[str]) -> dict[str, Usage]:
    """Count how texts use names. Of several names that start with a word, the longest counts.

    RETURNS (dict[str, Usage]): The usage of the names that occur, by their pieces joined by spaces.
    """
    lexicon = Lexicon(map(Pattern, names))
    usage: dict[str, Usage] = {}
    for text in texts:
        found = list(_words(text))
        folded = [fold(word) for word, _ in found]
        last = -1
        for start, end, _ in lexicon.find(folded):
            if start > last:
                last = start
                words = " ".join(word for word, _ in found[start:end])
                inside = found[start][1]
                used = usage.setdefault(" ".join(folded[start:end]), Usage())
                used.count += 1
                used.inside += inside
                used.lower += inside and words.islower()
                used.upper += words.isupper()
    return usage


def _words(text: str) -> Iterator[tuple[str, bool]]:
    """The words of a text, split as `pieces` does, and whether each is inside a sentence."""
    inside = False
    for piece in _PIECE.findall(unicodedata.normalize("NFC", text)):
        if piece.isalnum():
            yield piece, inside
            inside = True
        elif piece in _SENTENCE_ENDS:
            inside = inside and piece == "-"
