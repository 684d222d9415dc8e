"""The usual spelling of texts in capitals, in lower case, or without accents.

Recognisers learn from ordinary spelling. The shape and the letters of a word tell them much there,
and little in a note in capitals. So layers and components look at a note in its usual spelling
(`usual_spelling`). The note itself and all offsets stay as they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy
from numpy.typing import NDArray
from spacy.attrs import IS_ALPHA, IS_ASCII, IS_LOWER, IS_TITLE, IS_UPPER, LENGTH, NORM, ORTH, SPACY
from spacy.strings import get_string_id
from spacy.tokens import Doc

from spacy_cardioner.characters import seen
from spacy_cardioner.gazetteer.normalise import fold
from spacy_cardioner.texts import read_texts
from spacy_cardioner.tokenizer import LINE_ENDS, SENTENCE_ENDS

# Shorter words in capitals are abbreviations, unless the list has them.
LONG = 6
# The share of words in capitals in a text in capitals, and the most words of a title.
_SHARE, _TITLE = 0.8, 7
# "ñ" and "ü" are also written by those who write no accents.
_ACCENT = re.compile("(?![ÑñÜü×÷])[À-ÿ]")
_LINE_ENDS, _SENTENCE_ENDS = (
    frozenset(map(get_string_id, ends)) for ends in (LINE_ENDS, SENTENCE_ENDS)
)

Array = NDArray[Any]

# Several components and layers ask for the usual spelling of a document. For each document that is
# in use: a hash of its words, and its usual spelling, or None if it is in its usual spelling.
_found: WeakKeyDictionary[Doc, tuple[int, Doc | None]] = WeakKeyDictionary()


class Spelling:
    """The usual spelling of words in one language."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        """Initialize with the words that have capitals or accents, or are short."""
        words = list(words)
        self._usual = {fold(word): word for word in words}
        # "está" is "esta" without an accent, which is a word of its own.
        self._usual |= {word.lower(): word for word in words}
        bare = (key for key, word in self._usual.items() if key != word.lower())
        # The hashes of words that lack accents.
        self.bare = {get_string_id(word) for key in bare for word in (key, key.capitalize())}

    def from_capitals(self, word: str) -> str:
        """The usual spelling of a word in a text in capitals."""
        if not word.isupper():
            return word
        ordinary = len(word) >= LONG and not any(map(str.isdigit, word))
        return self._usual.get(word.lower()) or (word.lower() if ordinary else word)

    def from_lower_case(self, word: str) -> str:
        """The usual case of a word in a text in lower case."""
        usual = self._usual.get(word, word)
        return usual if usual.lower() == word else word

    def with_accents(self, word: str) -> str:
        """The usual accents of a word in a text without accents."""
        usual = self._usual.get(word.lower(), word).lower()
        if word.islower():
            return usual
        return usual.capitalize() if word[1:].islower() else word


def usual_spelling(doc: Doc) -> Doc:
    """A document as it is usually written: the same tokens, with other texts and norms.

    What changes is a document, or a part of one, in capitals; a document whose sentences
    begin with lower-case letters; one without accents; and words with characters that are not
    seen. Others stay as they are.

    RETURNS (Doc): Another document without annotations, the same as long as the words of the given
        one are; or the given one if nothing changes.
    """
    words = hash(doc.to_array([ORTH, NORM, SPACY]).tobytes())
    known, usual = _found.get(doc, (None, None))
    if known != words:
        usual = _respell(doc)
        # A value with its own key would never be freed.
        usual = None if usual is doc else usual
        _found[doc] = words, usual
    return doc if usual is None else usual


def _respell(doc: Doc) -> Doc:
    """The usual spelling of a document, which is the given document if nothing changes."""
    spelling = spelling_of(doc.vocab.lang)
    if spelling is None or not len(doc):
        return doc
    known = _known(doc)
    # Faster than a search of the text of the document, which is built anew on each access.
    orths: list[int] = known.orth[known.ascii == 0].tolist()
    odd = [str(doc.vocab.strings[orth]) for orth in orths]
    if any(_look(word) != word for word in odd):
        doc = _respelled(doc, [_look(token.text) for token in doc])
        known = _known(doc)
    foreign = " ".join(odd)
    capitals, lower_case = known.in_capitals(), known.in_lower_case()
    bare = not (_ACCENT.search(foreign) or spelling.bare.isdisjoint(known.orth.tolist()))
    composed = unicodedata.is_normalized("NFC", foreign)
    if not (bare or lower_case or capitals.any() or not composed):
        return doc
    written = words = [token.text for token in doc]
    if not composed:
        words = [unicodedata.normalize("NFC", word) for word in words]
    if capitals.any():
        upper = capitals.tolist()
        words = [spelling.from_capitals(w) if c else w for w, c in zip(words, upper, strict=True)]
    if lower_case:
        words = list(map(spelling.from_lower_case, words))
    if bare:
        words = list(map(spelling.with_accents, words))
    for index in numpy.flatnonzero(known.starts() & (capitals | lower_case)).tolist():
        if words[index].islower():
            words[index] = words[index].capitalize()
    return doc if words == written else _respelled(doc, words)


def _look(word: str) -> str:
    """A word without the characters that are not seen."""
    return word if word.isspace() else seen(word) or word


def _respelled(doc: Doc, words: Sequence[str]) -> Doc:
    """A document with the same tokens and other texts. Where these do not differ, norms stay."""
    spelled = Doc(doc.vocab, words=list(words), spaces=[bool(token.whitespace_) for token in doc])
    same = doc.to_array(ORTH) == spelled.to_array(ORTH)
    norms: Any = numpy.where(same, doc.to_array(NORM), spelled.to_array(NORM))
    return spelled.from_array([NORM], norms.reshape(-1, 1))


class _Words(NamedTuple):
    """What the vocabulary knows of the words of a document, an array each."""

    orth: Array
    alpha: Array
    upper: Array
    lower: Array
    title: Array
    ascii: Array
    length: Array

    def starts(self) -> Array:
        """Which tokens begin a document, a line or a sentence."""
        return numpy.concatenate([[True], _among(self.orth[:-1], _SENTENCE_ENDS)])

    def in_lower_case(self) -> bool:
        """Whether sentences begin with lower-case letters, and none with a capital letter."""
        first = self.starts() & (self.alpha == 1) & (self.length > 1)
        return bool((first & (self.lower == 1)).any() and not (first & (self.title == 1)).any())

    def in_capitals(self) -> Array:
        """Which tokens are in a document, or a part of one, in capitals."""
        written = (self.alpha == 1) & (self.length > 1)
        capitals = written & (self.upper == 1)
        long = capitals & (self.length >= LONG)
        total = capitals.sum()
        if not long.any() or total >= _SHARE * written.sum():
            return numpy.full(len(long), long.any())
        if total <= _TITLE:
            return numpy.zeros(len(long), dtype=bool)
        line = numpy.cumsum(_among(self.orth, _LINE_ENDS))
        n_written, n_capitals, n_long = (
            numpy.bincount(line, weights=each) for each in (written, capitals, long)
        )
        # Lines without words do not end a part.
        fitting = n_capitals >= _SHARE * n_written
        part = numpy.cumsum(~fitting)
        n_capitals, n_long = (
            numpy.bincount(part, weights=each * fitting) for each in (n_capitals, n_long)
        )
        return (fitting & ((n_capitals > _TITLE) & (n_long > 0))[part])[line]


def _known(doc: Doc) -> _Words:
    return _Words(*doc.to_array([ORTH, IS_ALPHA, IS_UPPER, IS_LOWER, IS_TITLE, IS_ASCII, LENGTH]).T)


def _among(words: Array, given: frozenset[int]) -> Array:
    """Which words are among the given ones. For short texts faster than numpy's `isin`."""
    return numpy.array([word in given for word in words.tolist()], dtype=bool)


def in_capitals(doc: Doc) -> Array:
    """Which tokens are in a document, or a part of one, in capitals.

    A part is some lines with more words than a title. Abbreviations alone are not in capitals.

    RETURNS (Array): A boolean for each token.
    """
    return _known(doc).in_capitals()


def list_path(lang: str) -> Path:
    """The list of a language, which `assets/spelling/make.py` wrote."""
    return Path(__file__).parent / "resources" / lang / "spelling.tsv"


@lru_cache(maxsize=8)
def spelling_of(lang: str) -> Spelling | None:
    """The spelling of a language, or that of the three languages for "xx". None for others."""
    path = list_path(lang)
    if not path.is_file():
        return None
    return Spelling(line.rstrip("\r\n") for line in islice(read_texts(path), 1, None))
