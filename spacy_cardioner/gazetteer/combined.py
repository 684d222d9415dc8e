"""Mentions of several substances: fixed combinations, and words that add a substance.

"Micardis" is one substance, "Micardis Plus" is two. A code for the first is wrong for the second,
so a word that may add a substance is never ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence

from spacy_cardioner.gazetteer.clean import words
from spacy_cardioner.gazetteer.names import code_rank, is_atc
from spacy_cardioner.gazetteer.normalise import fold, split_combination
from spacy_cardioner.gazetteer.patterns import Pattern

HYDROCHLOROTHIAZIDE = "C03AA03"
INDAPAMIDE = "C03BA11"
# What "Plus" and "Co-" add to these substances, or groups of substances.
_DIURETICS = {
    "C09AA04": INDAPAMIDE,
    "C09AA12": INDAPAMIDE,
    "C09A": HYDROCHLOROTHIAZIDE,
    "C09C": HYDROCHLOROTHIAZIDE,
    "C07AB07": HYDROCHLOROTHIAZIDE,
    "C07AB12": HYDROCHLOROTHIAZIDE,
}
_HYDROCHLOROTHIAZIDE = {"hct", "hctz", "hzt"}
_DIURETIC = {"plus", "co"}
# Words that change the dose of a substance or combination, but possibly the substances of a brand.
_STRENGTH = {"forte", "fortis", "fuerte"}
_OTHERS = {
    *("duo", "trio", "combi", "combo", "compositum", "composita", "compuesto", "compuesta"),
    *("composto", "composta", "diu", "diur"),
}
# "D" in upper case is a second substance, otherwise a day; "Comp" with one dose is tablets.
_CASED = re.compile(r"(?<=\w[ -])D(?![\w.])|(?<=\w[ -])Comp\b(?!(?!.*\d/\d).*\d)")
_IN_CAPITALS = {"D", "Comp"}
_HAEMATOCRIT = re.compile(r"\s*(?:[:=]|de\b|del\b|of\b|\d+(?:[.,]\d+)?\s*%)", re.IGNORECASE)
_ARTICLE = re.compile(r"\s*(?:an?|the|(?:an)?other|low|high)\b", re.IGNORECASE)
_ADDING = _HYDROCHLOROTHIAZIDE | _DIURETIC | _STRENGTH | _OTHERS
_FOLLOWING = _ADDING - {"co"}
_SOLVENTS = ("B05BA", "B05BB", "B05CB", "B05D", "V07")
# Uses of the words that say nothing about the substances of a name.
_HARMLESS = ("unit", "form", "weak", "link", "release", "salt", "vague")


class Combinations:
    """The fixed combinations among the names of a list, by the codes of their substances."""

    def __init__(self, patterns: Iterable[Pattern], code_of: Callable[[str], str]) -> None:
        """Find the combinations. `code_of` returns the code of a name, "" for an unknown one."""
        # One code for each substance that has several.
        self._first: dict[str, str] = {}
        listed: list[tuple[str, list[str]]] = []
        for pattern in patterns:
            if pattern.kind == "ingredient" and pattern.also:
                first = min(pattern.candidates)
                for code in pattern.candidates:
                    self._first[code] = min(first, self._first.get(code, first))
            parts = split_combination(pattern.text)
            if len(parts) > 1 and is_substance(pattern.id):
                listed.append((pattern.id, [code_of(part) for part in parts]))
        self._contents: dict[str, frozenset[str]] = {}
        self._codes: dict[frozenset[str], str] = {}
        for code, found in sorted(listed, key=lambda item: code_rank(item[0])):
            contents = frozenset(map(self.substance, found))
            if all(map(is_substance, found)) and len(contents) > 1:
                self._contents.setdefault(code, contents)
                self._codes.setdefault(contents, code)

    def substance(self, code: str) -> str:
        """The same code for all codes of a substance."""
        return self._first.get(code, code)

    def contents(self, code: str) -> frozenset[str]:
        """The substances of a code: several of a combination, otherwise the code itself."""
        return self._contents.get(code, frozenset((self.substance(code),)))

    def code(self, contents: Collection[str]) -> str:
        """The code of the combination of these substances, "" if the list has none."""
        return self._codes.get(frozenset(map(self.substance, contents)), "")

    def join(self, names: Iterable[Sequence[str]], adding: Collection[str], brand: bool) -> str:
        """The code of a mention of several names, "" if the list has none.

        names (Iterable[Sequence[str]]): The codes of each name, the likeliest first.
        adding (Collection[str]): The words of the mention that may add a substance.
        brand (bool): Whether one of the names is a brand.
        """
        codes = _specific(names)
        contents = set[str]().union(*map(self.contents, codes))
        adding = set(adding)
        if not brand or len(contents) > 1:
            adding -= _STRENGTH
        if len(contents) > 1:
            adding.discard("duo")
        if adding & _DIURETIC:
            diuretic = next(
                (d for start, d in _DIURETICS.items() if codes[0].startswith(start)), ""
            )
            adding -= _DIURETIC | _STRENGTH if diuretic else set()
            contents |= {diuretic} - {""}
        if adding & _HYDROCHLOROTHIAZIDE:
            adding -= _HYDROCHLOROTHIAZIDE | _STRENGTH
            contents.add(HYDROCHLOROTHIAZIDE)
        if adding:
            return ""
        return codes[0] if contents <= self.contents(codes[0]) else self.code(contents)


def is_substance(code: str) -> bool:
    """Whether a code is that of a substance or combination, not of a group."""
    return len(code) == 7 and is_atc(code)


def is_solvent(code: str) -> bool:
    """Whether a code is that of a solution in which drugs are given."""
    return code.startswith(_SOLVENTS)


def _specific(names: Iterable[Sequence[str]]) -> list[str]:
    """The likeliest code of each name, except of groups of another one, and of solvents."""
    listed = list(names)
    found = list(dict.fromkeys(codes[0] for codes in listed))
    for first, *also in listed:
        others = [code for code in found if code != first]
        if any(other.startswith((first, *also)) for other in others):
            found = others
    return [code for code in found if not is_solvent(code)] or found


def adding_words(mention: str, unknown: Iterable[str]) -> set[str]:
    """The words of a mention that may add a substance.

    unknown (Iterable[str]): The pieces of the mention that belong to no known name.
    """
    rest = set(unknown)
    cased = {word.lower() for word in _CASED.findall(fold(mention, lower=False))}
    adding = rest & (_ADDING | cased)
    if fold(mention).split("-")[0].split()[:1] != ["co"]:
        adding.discard("co")
    return adding


def other_words(unknown: Iterable[str]) -> set[str]:
    """The words among unknown pieces that may name something."""
    harmless = set().union(*(words()[use] for use in _HARMLESS)) | _ADDING
    return {piece for piece in unknown if piece.isalpha() and piece not in harmless}


def may_add(word: str) -> bool:
    """Whether a word after a name may add a substance to it, see `may_follow`."""
    return word in _IN_CAPITALS or fold(word) in _FOLLOWING


def may_follow(word: str, name: str, rest: str, *, brand: bool, joins: bool) -> bool:
    """Whether the word after a name belongs to it, as in "Micardis Plus".

    name (str): The name, as it is written.
    rest (str): The text after the word, in the same line.
    brand (bool): Whether the name is a brand.
    joins (bool): Whether another drug follows the word.
    """
    folded = fold(word)
    if folded in _HYDROCHLOROTHIAZIDE:
        # Otherwise it is the haematocrit.
        return not _HAEMATOCRIT.match(rest)
    if folded == "plus":
        # In English it is also a conjunction.
        own = word[1:].islower() and not word.islower()
        return own or (brand and not joins and not _ARTICLE.match(rest))
    if word in _IN_CAPITALS:
        return brand and bool(_CASED.search(f"{name} {word}{rest}"))
    # In Italian "forte" is also an adjective.
    return folded in _FOLLOWING and (name.islower() or not word.islower())
