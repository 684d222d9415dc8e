"""A text and its translation, their sentences aligned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from spacy_cardioner.projection.sentences import Pair, align
from spacy_cardioner.projection.spans import Range

if TYPE_CHECKING:
    from spacy.language import Language

# Most words in a sentence; a longer one is cut.
LONGEST = 150


class Text(NamedTuple):
    """A text, and the boundaries of the words of each sentence in it."""

    text: str
    sentences: list[list[Range]]

    def words(self, sentences: Range) -> list[Range]:
        """The boundaries of the words of some sentences."""
        return [word for sentence in self.sentences[slice(*sentences)] for word in sentence]

    def spelled(self, words: Sequence[Range]) -> list[str]:
        """The words themselves."""
        return [self.text[start:end] for start, end in words]


class Parallel(NamedTuple):
    """A text, its translation, and the sentences that translate each other."""

    source: Text
    target: Text
    pairs: list[Pair]

    def words(self, pair: Pair) -> tuple[list[Range], list[Range]]:
        """The boundaries of the words of a pair, in both texts."""
        return self.source.words(pair.source), self.target.words(pair.target)

    def spelled(self, pair: Pair) -> tuple[list[str], list[str]]:
        """The words of a pair in both texts."""
        ours, theirs = self.words(pair)
        return self.source.spelled(ours), self.target.spelled(theirs)

    def around(self, start: int, end: int) -> range:
        """The numbers of the pairs that characters of the source lie in."""
        touched = [
            number
            for number, pair in enumerate(self.pairs)
            if any(a < end and start < b for a, b in self.source.words(pair.source))
        ]
        return range(touched[0], touched[-1] + 1) if touched else range(0)


def read(nlp: Language, text: str) -> Text:
    """Find the sentences of a text and their words."""
    found = []
    for sentence in nlp(text).sents:
        words = [(word.idx, word.idx + len(word)) for word in sentence if not word.is_space]
        found += [words[start : start + LONGEST] for start in range(0, len(words), LONGEST)]
    return Text(text, found)


def parallel(source: Text, target: Text) -> Parallel:
    """Align the sentences of a text and its translation."""
    words = [[text.spelled(one) for one in text.sentences] for text in (source, target)]
    return Parallel(source, target, align(*words))
