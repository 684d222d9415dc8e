"""Marks: where a document has names of a list, usual abbreviations, and misspelled names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from spacy.tokens import Doc

from spacy_cardioner.characters import seen
from spacy_cardioner.gazetteer.abbreviations import Found, abbreviations, choose
from spacy_cardioner.gazetteer.definitions import long_form
from spacy_cardioner.gazetteer.laboratory import laboratory
from spacy_cardioner.gazetteer.lexicon import MIN_START, Lexicon, in_case
from spacy_cardioner.gazetteer.names import KINDS
from spacy_cardioner.gazetteer.patterns import LABEL, Pattern
from spacy_cardioner.gazetteer.prescribed import is_dosed, is_prescribed
from spacy_cardioner.spelling import usual_spelling

# The kind of abbreviations that are no drugs. The features of the model do not know it.
CONDITION = "condition"
_HYPHENS = {"-", "‐", "‑", "–"}


class Mark(NamedTuple):
    """A name in a document, with token boundaries and the label of its pattern.

    kind (str): "ingredient", "combination", "group", "abbreviation" or "brand"; "condition" for an
        abbreviation of another label.
    candidates (list[str]): Its ids, the likeliest first. An ambiguous name has more than one.
    analyte (bool): Whether laboratories measure what it names, such as sodium or iron.
    laboratory (bool): Whether it is in a laboratory context, analyte or not.
    """

    start: int
    end: int
    label: str
    kind: str
    candidates: list[str]
    always: bool = False
    analyte: bool = False
    laboratory: bool = False


class Text:
    """The pieces of a document, and what is marked in it.

    folded, owners: The pieces (see `normalise.pieces`), and of each, and of the end, the token.
    starts, ends (set[int]): The first pieces of drugs, and of what may be drugs, and the pieces
        after their last.
    """

    def __init__(self, doc: Doc, folded: list[str], owners: list[int]) -> None:
        self.doc = doc
        self.usual = usual_spelling(doc)
        self.folded = folded
        self.owners = owners
        self.starts: set[int] = set()
        self.ends: set[int] = set()
        self._marks: dict[tuple[int, int], Mark] = {}
        self._taken: set[int] = set()

    def add(self, first: int, last: int, mark: Mark) -> None:
        """Mark the pieces from `first` to `last`, excluded."""
        self._marks[first, last] = mark
        self._taken.update(range(first, last))
        if mark.label == LABEL and not mark.analyte:
            self.add_drug(first, last)

    def add_drug(self, first: int, last: int) -> None:
        """Note that the pieces may be a drug."""
        self.starts.add(first)
        self.ends.add(last)

    def remove(self, first: int, last: int) -> None:
        """Remove the mark of these pieces, if there is one."""
        self._taken.difference_update(range(first, last))
        self.starts.discard(first)
        self.ends.discard(last)
        self._marks.pop((first, last), None)

    def get(self, first: int, last: int) -> Mark | None:
        """The mark of exactly these pieces."""
        return self._marks.get((first, last))

    def sorted(self) -> Iterator[Mark]:
        """The marks in the order of the text."""
        for place in sorted(self._marks):
            yield self._marks[place]

    def tokens(self, first: int, last: int) -> tuple[int, int]:
        """The tokens of pieces: the first, and the one after the last."""
        return self.owners[first], self.owners[last - 1] + 1

    def is_whole(self, first: int, last: int) -> bool:
        """Whether pieces start and end at token boundaries."""
        start, end = self.tokens(first, last)
        return (first == 0 or self.owners[first - 1] < start) and self.owners[last] >= end

    def is_spelled(self, pattern: Pattern, start: int, end: int) -> bool:
        """Whether tokens have the case of a pattern, as they are or in their usual spelling."""
        # The text of a span is built anew on each access, and few patterns need it.
        if pattern.kind != "abbreviation":
            return True
        return any(in_case(pattern, seen(doc[start:end].text)) for doc in (self.doc, self.usual))

    def is_free(self, first: int, last: int) -> bool:
        """Whether none of the pieces is marked."""
        return self._taken.isdisjoint(range(first, last))

    def is_prescribed(self, first: int, last: int) -> bool:
        """Whether pieces are where drugs stand."""
        return is_prescribed(self.folded, first, last, self.starts, self.ends)


def mark_names(text: Text, lexicon: Lexicon) -> None:
    """Mark the names of a list, at each token the longest."""
    rules = laboratory(text.doc.vocab.lang)
    end_of_last = 0
    for first, last, patterns in lexicon.find(text.folded):
        start, end = text.tokens(first, last)
        if start < end_of_last or not text.is_whole(first, last):
            continue
        if spelled := [pattern for pattern in patterns if text.is_spelled(pattern, start, end)]:
            analyte = rules.is_analyte(text.folded[first:last])
            measured = rules.is_context(text.folded, first, last)
            text.add(first, last, Mark(start, end, *_joined(spelled), analyte, measured))
            end_of_last = end


def mark_abbreviations(text: Text, lexicon: Lexicon) -> None:
    """Mark usual abbreviations as what they mean in their place, and unmark those of no entity."""
    listed = abbreviations(text.doc.vocab.lang)
    short = [found for found in listed.find(text.folded) if _is_spelled(text, found)]
    for found in short:
        if any(meaning.label == LABEL for meaning in found.meanings):
            text.add_drug(found.first, found.last)
    for found in short:
        _mark_abbreviation(text, found, lexicon)


def _is_spelled(text: Text, found: Found) -> bool:
    """Whether an abbreviation is in its own case, and no hyphen makes it a part of a word."""
    if not text.is_whole(found.first, found.last):
        return False
    doc, (start, end) = text.doc, text.tokens(found.first, found.last)
    after_hyphen = start and not doc[start - 1].whitespace_ and doc[start - 1].text in _HYPHENS
    glued = end < len(doc) and not doc[end - 1].whitespace_ and doc[end].text in _HYPHENS
    return not after_hyphen and not glued and text.is_spelled(found.pattern, start, end)


def _mark_abbreviation(text: Text, found: Found, lexicon: Lexicon) -> None:
    first, last = found.first, found.last
    known = text.get(first, last)
    # What a user added is right wherever it occurs.
    if known.always if known else not text.is_free(first, last):
        return
    meanings = choose(found, text.folded, lambda: text.is_prescribed(first, last))
    if not meanings:
        return
    text.remove(first, last)
    label, start, end = meanings[0].label, *text.tokens(first, last)
    if label == LABEL:
        codes = _codes((meaning.expansion for meaning in meanings), lexicon)
        new = Mark(start, end, LABEL, "abbreviation", codes) if codes else None
        if mark := known or new:
            text.add(first, last, mark._replace(always=not _is_defined(text.doc, start, end)))
    elif label:
        text.add(first, last, Mark(start, end, label, CONDITION, [], always=True))


def _is_defined(doc: Doc, start: int, end: int) -> bool:
    """Whether an abbreviation stands in parentheses after its long form, which decides."""
    if doc[max(0, start - 1)].text != "(" or doc[end : end + 1].text != ")":
        return False
    short = doc[start:end].text
    return long_form(short, doc[max(0, start - 1 - 2 * len(short)) : start - 1].text) is not None


def _codes(names: Iterable[str], lexicon: Lexicon) -> list[str]:
    """The codes of drugs, the likeliest first; none from a list of other labels."""
    if LABEL not in lexicon.labels:
        return []
    answers = filter(None, map(lexicon.look_up, names))
    return list(dict.fromkeys(code for answer in answers for code in answer.candidates))


def mark_misspelled(text: Text, lexicon: Lexicon) -> None:
    """Mark the long words that are nearly the name of a substance, where drugs stand.

    Those that are like a brand need a capital and a dose, because more words are.
    """
    if LABEL not in lexicon.labels:
        return
    for first, piece in enumerate(text.folded):
        last = first + 1
        # The order is that of what each check costs, and of how much it leaves.
        if len(piece) < MIN_START or not text.is_prescribed(first, last) or not piece.isalpha():
            continue
        if text.is_free(first, last) and text.is_whole(first, last):
            start, end = text.tokens(first, last)
            answer, brand = lexicon.look_up_nearly(piece) or (None, False)
            capital = text.doc[start].text[:1].isupper()
            if answer and (not brand or (capital and is_dosed(text.folded, last))):
                mark = Mark(start, end, LABEL, "ingredient", answer.candidates, always=True)
                text.add(first, last, mark)


def _joined(patterns: Sequence[Pattern]) -> tuple[str, str, list[str], bool]:
    """Label, kind, ids and `always` of a name with several patterns; the latest pattern's label."""
    candidates = [code for pattern in patterns for code in pattern.candidates[:1]]
    candidates += [code for pattern in patterns for code in pattern.candidates[1:]]
    kind = min((pattern.kind for pattern in patterns), key=list[str](KINDS).index)
    always = any(pattern.always for pattern in patterns)
    return patterns[0].label, kind, list(dict.fromkeys(candidates)), always
