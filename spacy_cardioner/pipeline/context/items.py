"""The items of a list-like text: "HTA (sí), DM: no, bisoprolol 2,5 mg (suspendido)".

A cue that answers an item ("no" after "DM:") modifies this item only, whatever its direction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy
from spacy.attrs import IS_SPACE, LOWER
from spacy.tokens import Doc, Span

if TYPE_CHECKING:
    from medspacy.context import ConTextRule

LONGEST_ITEM = 15  # tokens between a target and its answer, such as a dose
LONGEST_CLAUSE = 60
LINE_ENDS = frozenset("\n\r\x0b\x0c\x85\u2028\u2029")
SEPARATORS = frozenset(",;.:!?/|•")
BRACKETS = frozenset("()[]")
CLOSING = frozenset(",;.)]/|•-–—")
LINKS = frozenset(":=|?-–—→")
JOINS = frozenset({"y", "e", "ed", "o", "u", "and", "or", "ni", "né", "nor", "&"})
CLAUSES = frozenset({"y", "e", "ed", "and", "but", "pero", "ma", "mas"})
# Between a finding and a cue that says something of it: "el TEP se descarta".
FILLERS = frozenset({"se", "lo", "la", "los", "las", "que", "es", "si", "which", "is", "viene"})
PLUSES = frozenset({"+", "++", "+++"})
SIGNS = PLUSES | {"-", "–"}
DENIALS = frozenset({"no", "non", "sin", "senza", "niega", "nega", "ni", "né"})
ANSWERED = ("NEGATED_EXISTENCE", "POSSIBLE_EXISTENCE")


class Region(NamedTuple):
    """Tokens from start to end, the end excluded."""

    start: int
    end: int


class Items:
    """Finds the item to which a cue is the answer.

    sentences (Sequence[range]): The sentence of each token, or its list item, see `segments`.
    """

    def __init__(self, doc: Doc, targets: Iterable[Span], sentences: Sequence[range]) -> None:
        self.doc = doc
        self.sentences = sentences
        strings = doc.vocab.strings
        self._texts = [strings[lower] for lower in doc.to_array(LOWER).tolist()]
        for index in numpy.flatnonzero(doc.to_array(IS_SPACE)).tolist():
            self._texts[index] = "\t" if LINE_ENDS.isdisjoint(self._texts[index]) else "\n"
        self.starts: dict[int, int] = {}
        self.ends: dict[int, int] = {}
        for target in targets:
            for index in range(target.start, target.end):
                self.starts[index] = min(target.start, self.starts.get(index, index))
                self.ends[index] = max(target.end, self.ends.get(index, index))
        self.answer_ends: set[int] = set()
        # Signs stand before or after all findings of a sentence: "(+) tos (-) fiebre".
        self.signs_first: dict[int, bool] = {}

    def text(self, index: int) -> str:
        """The text of a token in lower case, "" outside the document, a line feed for line ends."""
        return self._texts[index] if 0 <= index < len(self._texts) else ""

    def separates(self, index: int) -> bool:
        """Whether a token ends an item on either side."""
        text = self.text(index)
        if index in self.starts or (text == "/" and self._in_dose(index)):
            return False
        return text in SEPARATORS | BRACKETS or text in ("", "\n")

    def _in_dose(self, index: int) -> bool:
        """Whether a slash has no space around: "5 mg/12 h"."""
        return self._glued(index) and index + 1 < len(self.doc) and self._glued(index + 1)

    def before(self, index: int, *, joined: bool = False, gap: int = LONGEST_ITEM) -> Region | None:
        """The nearest target before a token, without a separator between them.

        joined (bool): Include what is joined to it: "fiebre y tos: no".
        """
        depth = 0  # "DM (tipo 2): no"
        for place in range(index - 1, max(-1, index - gap - 2), -1):
            text = self.text(place)
            if text and text in ")]":
                depth += 1
            elif text and text in "([":
                depth -= 1
            elif depth == 0 and place in self.starts:
                start = self.starts[place]
                while joined and self.text(start - 1) in JOINS and start - 2 in self.starts:
                    start = self.starts[start - 2]
                return Region(start, index)
            ends = depth == 0 and text not in BRACKETS and self.separates(place)
            if depth < 0 or ends or text == "\n":
                return None
        return None

    def clause(self, index: int) -> int:
        """The start of the item in which a token stands, or a token that is far before it."""
        first = max(0, index - LONGEST_CLAUSE)
        while index > first and not self.separates(index - 1):
            index -= 1
        return index

    def distance(self, start: int, end: int) -> int:
        """The tokens between two places. A separator counts as many as a long dose."""
        apart = sum(
            self.separates(place) or self.text(place) in JOINS for place in range(start, end)
        )
        return end - start + LONGEST_ITEM * apart

    def closed(self, index: int) -> bool:
        """Whether an item ends before a token."""
        text = self.text(index)
        if text in ("", "\n") or text in CLOSING or text in CLAUSES:
            return True
        if self.sentences[index].start == index and not self.doc[index].is_sent_start:
            return True  # the next item of a list
        # "fiebre: no tos: sí"
        return index in self.ends and self.text(self.ends[index]) in LINKS - {"-"}

    def answered(self, rule: ConTextRule, start: int, end: int, *, word: bool) -> Region | None:
        """The item of a cue that stands where an answer does, or None.

        word (bool): Whether the cue is of the list of answers.
        """
        region = self._answered(rule, start, end, word=word)
        if region is not None:
            self.answer_ends.update((end, end + 1))
        return region

    def affirms(self, start: int, end: int) -> bool:
        """Whether a "si" without its accent ends a negation: "No HTA, si DM"."""
        if self.text(start) != "si" or self.text(start - 1) != "," or start - 2 not in self.starts:
            return False
        if end not in self.starts or not self.closed(self.ends[end]):
            return False
        return any(self.text(place) in DENIALS for place in range(start - LONGEST_ITEM, start))

    def _answered(self, rule: ConTextRule, start: int, end: int, *, word: bool) -> Region | None:
        left, right = self.text(start - 1), self.text(end)
        if left and left in "([" and right and right in ")]":
            sign = self._after(start, end + 1) if word else None
            return sign or self.before(start - 1)
        stops = "BEGIN" in rule.terminated_by
        if left and left in "([" and stops and end not in self.starts:
            return self.before(start - 1)
        if self.text(start) == "(" and rule.direction == "BACKWARD":
            return self.before(start)
        if left in LINKS or left == "\t":
            # "fiebre: no Tos: sí"
            titled = (
                end < len(self.doc) and self.doc[end].is_title and self.text(start) not in SIGNS
            )
            if (titled or self.closed(end)) and (region := self.before(start - 1, joined=True)):
                return region
        if left == "," and stops and self.closed(end):
            return self.before(start - 1)
        return self._bare(rule, start, end, word=word)

    def answers_another(self, rule: ConTextRule, start: int, end: int) -> bool:
        """Whether a cue answers what is no target: the "no" of "Tabaco: no, HTA"."""
        asked = rule.direction == "FORWARD" and self.text(start - 1) == ":"
        return asked and self.text(end) in (",", ";")

    def questioned(self, start: int, end: int) -> Region | None:
        """The item after a question mark that stands before it: "?TEP", "? TEP"."""
        if self.closed(end) or self._glued(start):
            return None
        left = self.text(start - 1)
        if self._glued(end) or left in ("", "\n") or left in SEPARATORS | BRACKETS | JOINS | {"vs"}:
            return Region(end, self.item_end(end))
        return None

    def _glued(self, index: int) -> bool:
        """Whether a token stands right after the one before it."""
        return (
            index > 0 and not self.doc[index - 1].whitespace_ and not self.doc[index - 1].is_space
        )

    def _bare(self, rule: ConTextRule, start: int, end: int, *, word: bool) -> Region | None:
        """The item right before a cue that ends its clause: "DM no, HTA sí"."""
        says = rule.direction == "FORWARD" and rule.category in ANSWERED
        if not (says or (word and end - start == 1)):
            return None
        if word and end in self.starts and (region := self._after(start, end)):
            return region
        if not self.closed(end):
            return None
        region = self.before(start, joined=True, gap=0 if word else 2)
        if region is None or not self._fillers(start) <= FILLERS:
            return None
        # A line that is wrapped after "sin" is no answer.
        at_line_end = self.text(end) == "\n"
        return None if at_line_end and not self._starts_line(region.start) else region

    def _fillers(self, start: int) -> set[str]:
        """The words between a cue and the target before it."""
        place = start - 1
        while place not in self.starts:
            place -= 1
        return {self.text(other) for other in range(place + 1, start)}

    def _starts_line(self, index: int) -> bool:
        start = self.clause(index)
        if start - 1 in self.answer_ends:  # "HTA no, DM sí"
            return True
        return self.text(start - 1) in ("", "\n") or self.text(start - 1) in SEPARATORS - {","}

    def _first(self, start: int) -> bool:
        """Whether the signs of a sentence stand before its findings."""
        sentence = self.sentences[start].start
        if sentence not in self.signs_first:
            # A dash at the start of a line is the mark of a list.
            bullet = self.text(start) not in PLUSES and self.text(start - 1) not in ("(", "[")
            mark = start - 1 if self.text(start - 1) in ("(", "[") else start
            self.signs_first[sentence] = self.clause(mark) == mark and not bullet
        return self.signs_first[sentence]

    def _after(self, start: int, end: int) -> Region | None:
        """The item after a sign."""
        if self.text(start) not in SIGNS or not self._first(start):
            return None
        return Region(end, self.item_end(end))

    def item_end(self, start: int) -> int:
        """The end of the item in which a token stands, or a token that is far after it."""
        last = start
        while last < start + LONGEST_ITEM and not self.separates(last):
            last += 1
        return last
