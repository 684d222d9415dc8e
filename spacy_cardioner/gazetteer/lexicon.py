"""Look-up of names: all names in a text, or the codes of one mention."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice, takewhile
from typing import NamedTuple

from spacy_cardioner.characters import seen
from spacy_cardioner.gazetteer.clean import strip_salt, without_strength, words
from spacy_cardioner.gazetteer.combined import (
    Combinations,
    adding_words,
    is_solvent,
    is_substance,
    other_words,
)
from spacy_cardioner.gazetteer.names import code_rank
from spacy_cardioner.gazetteer.normalise import fold, key, pieces, split_combination
from spacy_cardioner.gazetteer.patterns import Pattern
from spacy_cardioner.gazetteer.typos import misspelled

_SIGN = re.compile(r"[/+&]")
_HYPHEN = re.compile(r"(?<=\w{4})\s*-\s*(?=\w{4})")
_MAX_CACHE = 50_000
# The fewest letters of a name that is shortened.
MIN_START = 6
_NAMES = ("ingredient", "combination", "brand")
EXACT, NORMALISED, PART, FUZZY = "exact", "normalised", "part", "fuzzy"


class Answer(NamedTuple):
    """The result of looking up a mention.

    match (str): "exact" for a name as listed; "normalised" for another case, spelling, language or
        salt, or for a combination of known substances; "part" if only a part of the mention is
        known; "fuzzy" for a long name with one letter wrong.
    candidates (list[str]): Its ids, the likeliest first.
    several (bool): Whether the mention is of several substances, or may be one of several, and
        none of the ids is right for all.
    """

    match: str
    candidates: list[str]
    several: bool = False

    @property
    def code(self) -> str:
        """The likeliest id, "" if none is that of the whole mention."""
        return "" if self.several else self.candidates[0]


class Lexicon:
    """Names with their ids, found whatever their case, accents, hyphens and line breaks."""

    def __init__(self, patterns: Iterable[Pattern] = ()) -> None:
        self._patterns: dict[str, tuple[Pattern, ...]] = {}
        # The number of pieces of the longest name that starts with a piece.
        self._longest: dict[str, int] = {}
        self._answers: dict[str, Answer | None] = {}
        self._nearly: dict[str, tuple[Answer, bool] | None] = {}
        self.add(patterns)

    def __len__(self) -> int:
        return sum(map(len, self._patterns.values()))

    def __iter__(self) -> Iterator[Pattern]:
        for found in self._patterns.values():
            # `add` puts later names first.
            yield from reversed(found)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and " ".join(pieces(name)) in self._patterns

    def add(self, patterns: Iterable[Pattern]) -> None:
        """Add names. The ids of a name that exists already follow the new ones."""
        for pattern in patterns:
            found = pieces(pattern.text)
            if not found:
                continue
            joined = " ".join(found)
            known = self._patterns.get(joined, ())
            if pattern not in known:
                self._patterns[joined] = (pattern, *known)
            self._longest[found[0]] = max(self._longest.get(found[0], 0), len(found))
        for table in ("labels", "_by_key", "_combinations", "_substances"):
            self.__dict__.pop(table, None)
        self._answers = {}
        self._nearly = {}

    def find(self, folded: Sequence[str]) -> Iterator[tuple[int, int, Sequence[Pattern]]]:
        """Find all names in a text.

        folded (Sequence[str]): The pieces of the text, see `pieces`.
        YIELDS (tuple): The first piece, the piece after the last, and the patterns, in the order of
            the text; longer before shorter names.
        """
        longest, patterns = self._longest, self._patterns
        for start, first in enumerate(folded):
            if first not in longest:
                continue
            for length in range(min(longest[first], len(folded) - start), 0, -1):
                if found := patterns.get(" ".join(folded[start : start + length])):
                    yield start, start + length, found

    def look_up(self, name: str) -> Answer | None:
        """Look up a mention with any dose, salt or several substances; None if none is known."""
        # Replaced instead of cleared, because other threads may be using it.
        answers = self._answers
        if len(answers) > _MAX_CACHE:
            self._answers = answers = {}
        if name not in answers:
            answers[name] = self._look_up(" ".join(seen(name).split()))
        return answers[name]

    def has_brand(self, name: str) -> bool:
        """Whether a mention has a brand of the list."""
        found = self.find(pieces(name))
        return any(pattern.kind == "brand" for *_, known in found for pattern in known)

    def _look_up(self, name: str) -> Answer | None:
        if whole := self._look_up_whole(name):
            return whole
        for parts in (split_combination(name), _HYPHEN.split(name)):
            if len(parts) > 1:
                answers = list(map(self._look_up_whole, parts))
                if any(answers):
                    return self._look_up_parts(name, parts, answers)
        return self._join(name, *self._look_up_inside(name)) or self._look_up_like(name)

    def _look_up_whole(self, name: str) -> Answer | None:
        known: Sequence[Pattern] = self._patterns.get(" ".join(pieces(name)), ())
        if any(pattern.text == name for pattern in known):
            return _answer(EXACT, known)
        bare = without_strength(name)
        if not known and self._names_more(name, bare):
            return None
        for other in dict.fromkeys((bare, strip_salt(bare))):
            known = known or self._by_key.get(_order(other), ())
        return _answer(NORMALISED, known)

    def _look_up_like(self, name: str) -> Answer | None:
        bare = without_strength(name)
        for other in dict.fromkeys((bare, strip_salt(bare))):
            if answer := self._like(" ".join(pieces(other)))[0]:
                return answer
        return None

    def _like(self, joined: str) -> tuple[Answer | None, list[Pattern]]:
        """The names that a folded name is with one letter wrong, or that it is the start of."""
        near = (self._patterns[name] for name in misspelled(joined, self._patterns))
        if found := [p for patterns in near for p in patterns if p.kind != "abbreviation"]:
            # If they are of different substances, none is right.
            answer = _answer(FUZZY, found)
            return answer and answer._replace(several=len({p.id for p in found}) > 1), found
        found = self._shortened(joined)
        return _answer(NORMALISED, found), found

    def _shortened(self, start: str) -> list[Pattern]:
        """The names of the only substance that starts so, such as "ceftria"."""
        if len(start) < MIN_START or not start.isalpha():
            return []
        names = self._substances
        first = bisect_left(names, start)
        longer = list(takewhile(lambda name: name.startswith(start), islice(names, first, None)))
        found = [pattern for name in longer for pattern in self._patterns[name]]
        far = all(len(name) > len(start) + 1 for name in longer)
        return found if far and len({pattern.id for pattern in found}) == 1 else []

    @cached_property
    def _substances(self) -> list[str]:
        """The names of substances that are one word, folded and sorted."""
        return sorted(
            name
            for name, patterns in self._patterns.items()
            if name.isalpha()
            and all(p.kind == "ingredient" and is_substance(p.id) for p in patterns)
        )

    def look_up_nearly(self, word: str) -> tuple[Answer, bool] | None:
        """Look up a word that is nearly a name: in another spelling, misspelled, or shortened.

        word (str): A folded word.
        RETURNS (Optional[tuple[Answer, bool]]): Also whether it is like a brand. None if it is not
            like a name of one substance, or if it is a word of a language.
        """
        if word not in self._nearly:
            known = self._by_key.get(_order(word), ())
            answer, patterns = (_answer(NORMALISED, known), known) if known else self._like(word)
            brand = any(pattern.kind == "brand" for pattern in patterns)
            # More words are spelled like a brand.
            plain = word not in words()["word"] and not (brand and known)
            named = all(p.kind in _NAMES and is_substance(p.id) for p in patterns)
            self._nearly[word] = (answer, brand) if answer and plain and named else None
        return self._nearly[word]

    def _names_more(self, name: str, bare: str) -> bool:
        """Whether a name has drugs, or words that add one, besides that without its strength."""
        found, unknown = self._look_up_inside(name.replace(bare, " ", 1))
        codes = (answer.candidates[0] for answer in found)
        return bool(adding_words(name, unknown)) or not all(map(is_solvent, codes))

    def _look_up_parts(
        self, name: str, parts: Sequence[str], answers: Sequence[Answer | None]
    ) -> Answer | None:
        """Look up the parts of a mention, of which some are known names."""
        found: list[Answer] = []
        unknown: list[str] = []
        whole = True
        for part, answer in zip(parts, answers, strict=True):
            inside, rest = ([answer], []) if answer else self._look_up_inside(part)
            found += inside
            unknown += rest
            # A part after a sign is a substance, though one that is not listed.
            whole = whole and bool(inside or not other_words(rest) or not _SIGN.search(name))
        if len(found) == 1 and "plus" in pieces(name):
            # It joins nothing, as in "Micardis Plus 80 mg".
            unknown.append("plus")
        return self._join(name, found, unknown, whole)

    def _look_up_inside(self, name: str) -> tuple[list[Answer], list[str]]:
        """The known names in a mention, brands and substances before groups; its other pieces."""
        found: list[tuple[tuple[bool, bool, int], Answer]] = []
        folded = pieces(name)
        unknown: list[str] = []
        end_of_last = 0
        for start, end, patterns in self.find(folded):
            known = [p for p in patterns if p.kind != "abbreviation" or _is_word(p.text, name)]
            answer = _answer(PART, known)
            if start >= end_of_last and answer:
                rank = (known[0].kind != "brand", not is_substance(answer.code), start - end)
                found.append((rank, answer))
                unknown += folded[end_of_last:start]
                end_of_last = end
        unknown += folded[end_of_last:]
        return [answer for _, answer in sorted(found, key=lambda each: each[0])], unknown

    def _join(
        self, name: str, answers: Sequence[Answer], unknown: Sequence[str], whole: bool = True
    ) -> Answer | None:
        """The answer for a mention of which some names are known.

        unknown (Sequence[str]): The pieces of the mention that belong to no known name.
        whole (bool): Whether all its substances may be known.
        """
        if not answers:
            return None
        candidates = list(dict.fromkeys(code for one in answers for code in one.candidates))
        adding, names = adding_words(name, unknown), (answer.candidates for answer in answers)
        code = self._combinations.join(names, adding, self.has_brand(name))
        if not (code and whole):
            return Answer(PART, candidates, several=True)
        match = PART if code in candidates or other_words(unknown) else NORMALISED
        return Answer(match, list(dict.fromkeys((code, *candidates))))

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The labels of the names, sorted."""
        return tuple(sorted({pattern.label for pattern in self}))

    @cached_property
    def _combinations(self) -> Combinations:
        """The fixed combinations among the names."""
        return Combinations(self, self._code_of)

    def _code_of(self, name: str) -> str:
        answer = self._look_up_whole(name)
        return answer.code if answer else ""

    @cached_property
    def _by_key(self) -> dict[str, list[Pattern]]:
        """The names by their language-independent key, without abbreviations."""
        table: dict[str, list[Pattern]] = {}
        for pattern in self:
            if pattern.kind != "abbreviation":
                table.setdefault(_order(pattern.text), []).append(pattern)
        for found in table.values():
            found.sort(key=lambda pattern: code_rank(pattern.id))
        return table


def in_case(pattern: Pattern, text: str) -> bool:
    """Whether a mention has the required case: that of an abbreviation, or upper case."""
    if pattern.kind != "abbreviation" or text.isupper():
        return True
    own, given = (re.sub(r"[\W_]", "", fold(each, lower=False)) for each in (pattern.text, text))
    return own == given


def _is_word(abbreviation: str, name: str) -> bool:
    """Whether an abbreviation is a word of a mention, in its own case if that has two."""
    if name.isupper() or name.islower():
        abbreviation, name = abbreviation.lower(), name.lower()
    return abbreviation in name.split()


def _order(name: str) -> str:
    """The key of a name; of a combination, the sorted keys of its parts."""
    return " / ".join(sorted(filter(None, map(key, split_combination(name)))))


def _answer(match: str, patterns: Iterable[Pattern]) -> Answer | None:
    """The ids of the patterns: the likeliest of each pattern, then the others."""
    patterns = list(patterns)
    first = [pattern.id for pattern in patterns if pattern.id]
    others = [code for pattern in patterns for code in pattern.also]
    candidates = list(dict.fromkeys([*first, *others]))
    return Answer(match, candidates) if candidates else None
