"""What annotated documents say about the words at the boundaries of entities.

A model with dense vectors generalises, but hardly remembers how often an entity ended between two
given words, or continued with them. This is counted here. Words are the hashes of their lower-case
forms (spaCy's attribute `LOWER`), which are the same in every vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy
from numpy.typing import NDArray
from spacy.tokens import Doc

from spacy_cardioner.layers.crf import Floats, Ints
from spacy_cardioner.spelling import usual_spelling

Words = NDArray[numpy.uint64]
Keys = NDArray[numpy.uint32]
# Token boundaries of entities: the first token of each, and the one after its last.
Boundaries = Sequence[tuple[int, int]]
# Sequences of words, and whether something is true of each.
Cases = tuple[Keys, NDArray[numpy.bool_]]

# An odd number without a pattern in its bits: the key of a sequence depends on its order.
_MULTIPLIER = numpy.uint64(0x9E3779B97F4A7C15)
# Of the words by which two candidates differ, only this many are looked up.
_LONGEST = 6
# Cases added to every count, distributed as all cases are.
_PRIOR_CASES = 2.0


def words_of(doc: Doc) -> Words:
    """The words of a document in their usual spelling.

    Its vocabulary must have the lexical attributes of a language.
    """
    return numpy.asarray(usual_spelling(doc).to_array("LOWER"), dtype="uint64")


def sequence_keys(words: Words, starts: Ints, ends: Ints) -> Keys:
    """The keys of sequences of words, given by their boundaries.

    RETURNS (Keys): A hash of each sequence. In a table of 50,000 keys, one unknown sequence in
        80,000 is mistaken for a known one.
    """
    keys = numpy.zeros(len(starts), dtype="uint64")
    for offset in range(int(numpy.max(ends - starts, initial=0))):
        inside = starts + offset < ends
        keys[inside] = keys[inside] * _MULTIPLIER + words[starts[inside] + offset]
    return (keys >> numpy.uint64(32)).astype("uint32")


class LogOdds(NamedTuple):
    """The log odds that something is true of a sequence of words.

    keys (Keys): The sequences, sorted.
    values (Floats): The log odds of each.
    prior (float): The log odds of all other sequences.
    """

    keys: Keys
    values: Floats
    prior: float

    @classmethod
    def from_cases(cls, keys: Keys, true: NDArray[numpy.bool_], min_count: int) -> LogOdds:
        """Count cases: the sequence of each, and whether it is true there. Drop rare sequences.

        RETURNS (LogOdds): The log odds, smoothed towards those of all cases.
        """
        share = (true.sum() + 1.0) / (len(true) + 2.0)
        unique, places = numpy.unique(keys, return_inverse=True)
        cases = numpy.bincount(places, minlength=len(unique))
        hits = numpy.bincount(places, weights=true, minlength=len(unique))
        misses = cases - hits + _PRIOR_CASES * (1 - share)
        values = numpy.log((hits + _PRIOR_CASES * share) / misses)
        kept = cases >= min_count
        prior = float(numpy.log(share / (1 - share)))
        return cls(unique[kept], values[kept].astype("float16"), prior)

    def look_up(self, keys: Keys) -> Floats:
        """The log odds of sequences. Unknown sequences have the prior."""
        if not len(self.keys):
            return numpy.full(len(keys), self.prior, dtype="f")
        places = numpy.searchsorted(self.keys, keys) % len(self.keys)
        known = self.keys[places] == keys
        return numpy.where(known, self.values[places], self.prior).astype("f")


class BoundaryCounts(NamedTuple):
    """What documents say about the boundaries of the entities of one label.

    first, last (LogOdds): Whether a word is the first, or the last, of an entity.
    begins, ends (LogOdds): Whether an entity begins, or ends, between two neighbouring words.
    before, after (LogOdds): Whether a sequence of words is the beginning, or the end, of a longer
        entity, and not the context before, or after, one.
    """

    first: LogOdds
    last: LogOdds
    begins: LogOdds
    ends: LogOdds
    before: LogOdds
    after: LogOdds

    @classmethod
    def from_documents(
        cls, documents: Iterable[tuple[Words, Boundaries]], *, min_count: int = 3
    ) -> BoundaryCounts:
        """Count in annotated documents, given the words and entities of each."""
        cases: dict[str, list[Cases]] = {table: [] for table in cls._fields}
        for words, boundaries in documents:
            of_words, of_gaps = word_keys(words), gap_keys(words)
            starts, ends = (
                numpy.isin(numpy.arange(len(words) + 1), places)
                for places in ([start for start, _ in boundaries], [end for _, end in boundaries])
            )
            cases["first"].append((of_words, starts[:-1]))
            cases["last"].append((of_words, ends[1:]))
            cases["begins"].append((of_gaps, starts))
            cases["ends"].append((of_gaps, ends))
            cases["before"].append(_keyed(words, _cases_before(boundaries)))
            cases["after"].append(_keyed(words, _cases_after(boundaries, len(words))))
        return cls(**{table: _count(of_table, min_count) for table, of_table in cases.items()})

    def to_dict(self) -> dict[str, Any]:
        """The table as data for msgpack."""
        return {name: table._asdict() for name, table in self._asdict().items()}

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> BoundaryCounts:
        """Load what `to_dict` returned."""
        return cls(**{name: LogOdds(**table) for name, table in saved.items()})


def word_keys(words: Words) -> Keys:
    """The keys of all words of a document."""
    places = numpy.arange(len(words))
    return sequence_keys(words, places, places + 1)


def gap_keys(words: Words) -> Keys:
    """The keys of all pairs of neighbours and of both ends: at i that of the words i - 1 and i."""
    padded = numpy.pad(words, 1)
    gaps = numpy.arange(len(words) + 1)
    return sequence_keys(padded, gaps, gaps + 2)


def keys_before(words: Words, starts: Ints, ends: Ints) -> Keys:
    """The keys of the words before a shorter candidate in a longer one: the last of them."""
    return sequence_keys(words, numpy.maximum(starts, ends - _LONGEST), ends)


def keys_after(words: Words, starts: Ints, ends: Ints) -> Keys:
    """The keys of the words after a shorter candidate in a longer one: the first of them."""
    return sequence_keys(words, starts, numpy.minimum(ends, starts + _LONGEST))


def _cases_before(boundaries: Boundaries) -> Iterator[tuple[int, int, bool]]:
    """Sequences at the beginning of entities and before them, and whether they are inside."""
    for start, end in boundaries:
        for stop in range(start, end):
            first = start if stop > start else 0
            for begin in range(max(first, stop - _LONGEST), stop):
                yield begin, stop, stop > start


def _cases_after(boundaries: Boundaries, n_words: int) -> Iterator[tuple[int, int, bool]]:
    """Sequences at the end of entities and after them, and whether they are inside."""
    for start, end in boundaries:
        for begin in range(start + 1, end + 1):
            last = end if begin < end else n_words
            for stop in range(begin + 1, min(last, begin + _LONGEST) + 1):
                yield begin, stop, begin < end


def _keyed(words: Words, cases: Iterable[tuple[int, int, bool]]) -> Cases:
    table = numpy.array(list(cases), dtype="i").reshape(-1, 3)
    return sequence_keys(words, table[:, 0], table[:, 1]), table[:, 2] > 0


def _count(cases: Sequence[Cases], min_count: int) -> LogOdds:
    keys = [of_doc for of_doc, _ in cases] or [numpy.zeros(0, dtype="uint32")]
    true = [of_doc for _, of_doc in cases] or [numpy.zeros(0, dtype=bool)]
    return LogOdds.from_cases(numpy.concatenate(keys), numpy.concatenate(true), min_count)
