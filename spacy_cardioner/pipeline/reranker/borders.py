"""What annotated documents say of the words at the borders of an entity.

A recogniser with dense vectors generalises; what it remembers poorly is how often an entity ended
just between these two words, or went on with just these. That is counted here. Words are given by
the hashes of their lower-case forms (spaCy's attribute `LOWER`), which are the same in every
vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy
from numpy.typing import NDArray
from spacy.tokens import Doc

from spacy_cardioner.layers.crf import Floats, Ints

Words = NDArray[numpy.uint64]
Keys = NDArray[numpy.uint32]
# Token borders of entities: of each, its first token and the one after its last.
Borders = Sequence[tuple[int, int]]
# Sequences of words, and of each whether something is so.
Cases = tuple[Keys, NDArray[numpy.bool_]]

# An odd number without a pattern in its bits, so that the key of a sequence depends on the order.
_MULTIPLIER = numpy.uint64(0x9E3779B97F4A7C15)
# Words that a longer entity has and a shorter one has not: the first or last so many count.
_LONGEST = 6
# A case that is added to every count, shared out as the cases are on the whole.
_PRIOR_CASES = 2.0


def words_of(doc: Doc) -> Words:
    """The words of a document, whose vocabulary has to be that of a language."""
    words: Words = doc.to_array("LOWER").astype("uint64")
    return words


def sequence_keys(words: Words, starts: Ints, ends: Ints) -> Keys:
    """The keys of sequences of words.

    words (Words): The words of a document.
    starts, ends (Ints): The first word of each sequence, and the one after its last.
    RETURNS (Keys): A hash of each. Of a table with 50,000 keys, one unknown sequence in 80,000 is
        taken for a known one.
    """
    keys = numpy.zeros(len(starts), dtype="uint64")
    for offset in range(int((ends - starts).max(initial=0))):
        inside = starts + offset < ends
        keys[inside] = keys[inside] * _MULTIPLIER + words[starts[inside] + offset]
    return (keys >> numpy.uint64(32)).astype("uint32")


class LogOdds:
    """For sequences of words, the logarithm of how often something is so against how often not."""

    def __init__(self, keys: Keys, values: Floats, prior: float) -> None:
        """Take what was counted.

        keys (Keys): The sequences, sorted.
        values (Floats): The value of each.
        prior (float): The value of all others.
        """
        self.keys = keys
        self.values = values.astype("float16")
        self.prior = prior

    @classmethod
    def from_cases(cls, keys: Keys, true: NDArray[numpy.bool_], min_count: int) -> LogOdds:
        """Count cases.

        keys (Keys): The sequence of each case.
        true (NDArray[bool]): Whether it is so in this case.
        min_count (int): Forget sequences of fewer cases.
        RETURNS (LogOdds): The values, drawn towards the mean of all cases.
        """
        share = (true.sum() + 1.0) / (len(true) + 2.0)
        unique, places = numpy.unique(keys, return_inverse=True)
        cases = numpy.bincount(places, minlength=len(unique))
        hits = numpy.bincount(places, weights=true, minlength=len(unique))
        misses = cases - hits + _PRIOR_CASES * (1 - share)
        values = numpy.log((hits + _PRIOR_CASES * share) / misses)
        kept = cases >= min_count
        return cls(unique[kept], values[kept], float(numpy.log(share / (1 - share))))

    def look_up(self, keys: Keys) -> Floats:
        """The values of sequences, those that are unknown by the prior."""
        if not len(self.keys):
            return numpy.full(len(keys), self.prior, dtype="f")
        places = numpy.searchsorted(self.keys, keys) % len(self.keys)
        known = self.keys[places] == keys
        return numpy.where(known, self.values[places], self.prior).astype("f")

    def to_dict(self) -> dict[str, Any]:
        """As arrays and numbers that msgpack can hold."""
        return {"keys": self.keys, "values": self.values, "prior": self.prior}


class BorderCounts(NamedTuple):
    """What documents say of the borders of the entities of one label.

    first, last (LogOdds): Of a word: whether it is the first, or the last, of an entity.
    begins, ends (LogOdds): Of two neighbouring words: whether an entity begins, or ends, between
        them.
    before, after (LogOdds): Of a sequence of words: whether it is the beginning, or the end, of an
        entity that has more words, and not what stands before, or after, one.
    """

    first: LogOdds
    last: LogOdds
    begins: LogOdds
    ends: LogOdds
    before: LogOdds
    after: LogOdds

    @classmethod
    def from_documents(
        cls, documents: Iterable[tuple[Words, Borders]], *, min_count: int = 3
    ) -> BorderCounts:
        """Count in annotated documents.

        documents (Iterable[tuple[Words, Borders]]): The words of each and its entities.
        min_count (int): Forget what was seen less often.
        RETURNS (BorderCounts): The counts.
        """
        cases: dict[str, list[Cases]] = {table: [] for table in cls._fields}
        for words, borders in documents:
            of_words, of_gaps = word_keys(words), gap_keys(words)
            starts, ends = (
                numpy.isin(numpy.arange(len(words) + 1), places)
                for places in ([start for start, _ in borders], [end for _, end in borders])
            )
            cases["first"].append((of_words, starts[:-1]))
            cases["last"].append((of_words, ends[1:]))
            cases["begins"].append((of_gaps, starts))
            cases["ends"].append((of_gaps, ends))
            cases["before"].append(_keyed(words, _cases_before(borders)))
            cases["after"].append(_keyed(words, _cases_after(borders, len(words))))
        return cls(**{table: _count(of_table, min_count) for table, of_table in cases.items()})

    def to_dict(self) -> dict[str, Any]:
        """As arrays and numbers that msgpack can hold."""
        return {name: table.to_dict() for name, table in self._asdict().items()}

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> BorderCounts:
        """What `to_dict` gave."""
        return cls(**{name: LogOdds(**table) for name, table in saved.items()})


def word_keys(words: Words) -> Keys:
    """The keys of all words of a document."""
    places = numpy.arange(len(words))
    return sequence_keys(words, places, places + 1)


def gap_keys(words: Words) -> Keys:
    """The keys of all pairs of neighbours, with nothing before the first word and after the last.

    words (Words): The words of a document.
    RETURNS (Keys): One more than words; the key at i is that of the words before and at i.
    """
    padded = numpy.pad(words, 1)
    gaps = numpy.arange(len(words) + 1)
    return sequence_keys(padded, gaps, gaps + 2)


def keys_before(words: Words, starts: Ints, ends: Ints) -> Keys:
    """The keys of what a longer entity has before a shorter one: the last words of it."""
    return sequence_keys(words, numpy.maximum(starts, ends - _LONGEST), ends)


def keys_after(words: Words, starts: Ints, ends: Ints) -> Keys:
    """The keys of what a longer entity has after a shorter one: the first words of it."""
    return sequence_keys(words, starts, numpy.minimum(ends, starts + _LONGEST))


def _cases_before(borders: Borders) -> Iterator[tuple[int, int, bool]]:
    """Sequences at the beginning of an entity's words, and in front of it: whether in it."""
    for start, end in borders:
        for stop in range(start, end):
            first = start if stop > start else 0
            for begin in range(max(first, stop - _LONGEST), stop):
                yield begin, stop, stop > start


def _cases_after(borders: Borders, n_words: int) -> Iterator[tuple[int, int, bool]]:
    """Sequences after an entity's first word, and behind it: whether in it."""
    for start, end in borders:
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
