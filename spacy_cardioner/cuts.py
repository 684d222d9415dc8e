"""Where tokens end in texts that lack a space: after the mark of a list item, before a dose.

The affix rules of a tokenizer look at one run of characters. These look at what is around it too:
"1.Furosemida" is an item, "1.º" is not; in "FUROSEMIDA40MG" is a dose, in "COVID19" none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from spacy_cardioner.characters import BULLET, LINE_END

_LETTER = r"[^\W\d_]"
_UPPER = r"[A-ZÀ-ÖØ-Þ]"
_LOWER = r"[a-zß-öø-ÿ]"
_DASH = r"[-‐‑‒–—―_]"

# Signs that only mark items, wherever they stand, beside those that the affix rules know.
_BULLETS = re.compile(rf"[•{BULLET}†‡¶―﹣－]+")
# After a line end: bullets of fonts that became letters or lost their space ("oFurosemida"), and
# ".-Furosemida".
_AT_LINE = re.compile(
    rf"[{LINE_END}][ \t]*(?:[olnquvüØ](?={_UPPER}{_LOWER}{{3}})|[.·]+{_DASH}*(?={_LETTER}{{2}}))"
)
_NUMBER_SIGN = re.compile(rf"#[0-9]{{1,2}}(?={_LETTER}{{2}})")

# An item: a number, a letter or a Roman number, a sign, and a word. If it does not start the line,
# it stands after a space or a sign.
_SIGN = r".)\]ºª°\u20e3\-‐‑‒–—―_"
_SIGN_AND_WORD = re.compile(rf"[{_SIGN}](?P<word>{_LETTER}[^\W_]+)(?![^\W_])")
_MARK_AND_SIGN = re.compile(
    rf"(?:(?P<line>(?:^|[{LINE_END}])[ \t]*)|[\s:;(]|(?P<glued>(?<={_LETTER})[.,;/]))"
    r"[-–—*•+>#(\[]{0,3}"
    r"(?P<mark>[0-9]{1,2}(?:\.[0-9]{1,2}){0,2}|[a-h]|[A-H]|[ivx]{1,4}|[IVX]{1,4})"
    rf"(?P<sign>[.)\]ºª°\u20e3]+{_DASH}*|{_DASH}+)$"
)
_LONGEST_MARK = 40
_DATE = re.compile(
    r"(?:ene|jan|gen|feb|mar|abr|apr|may|mag|jun|giu|jul|lug|ago|aug|sep|set|oct|ott|nov|dec|dic)"
    r"[a-z]*[-/.][0-9]",
    re.IGNORECASE,
)
_LETTERS = tuple(" abcdefgh")
_NO_DASH = re.compile(rf"(?!{_DASH}).")
_ROMAN = ("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x")
# Ordinals ("1.er"), units, and Roman numbers ("I-II").
_NO_ITEM = re.compile(
    r"(?:[eo]r[oa]?|[rdtmv][oa]|th|st|nd|rd|[mck]g|mcg|ug|gr|[mdc]l|[cm]m|cc|mm[hH]g|m?Eq|m?mol|min|seg|hrs?"
    r"|hs|[bl]pm|C|Celsius|Cent[ií]grados|Fahrenheit|[IVX]+)s?$"
)
# Words that a number and a hyphen belong to: substances and their groups, and measures.
_WITH_LOCANT = re.compile(
    r"(?:fluor|mercapto|tiogu|thiogu|amino|h?[iy]drox|idross|oxo|d[ei]s?oxi|deoxy|m?eth?[iy]l|nitro|keto|"
    r"al(?:f|ph)a|beta|epi|vessel|vaso|vasi|chamber|lead|d[aí]+[ys]?\b|giorni|week|seman|settiman|month|mes|"
    r"year|año|ann[io]|hour|hora|ore\b|min|point|way|step|fold|lit[re])|(?:FU(?:DR)?|HT|HIAA|ASA|MP|TG|OH\w?|TC|ARA|DHT)$",
)
_LONG = 8

_UNIT = r"(?i:[mµμu]?gr?|mgs|mcg|m[lL]|c[cm]|[mdcµμu]l|m?eq|u\.?i|u|h|hs|hrs)"
_AFTER_LETTERS = re.compile(
    rf"[0-9](?<={_LETTER}[0-9]|[-–][0-9])[0-9]{{0,3}}(?:[.,][0-9]{{1,3}})?"
    rf"(?P<unit>{_UNIT}(?!{_LETTER}))?"
)
# "1G", but not the gauge "20G".
_UNIT_IN_CAPITALS = re.compile(
    r"[0-9](?=(?P<unit>[MU]GR?|GR|MGS|MCG|ML|CC|UI|MEQ|HS?|(?<![0-9][0-9])G)(?![^\W_]|-\w))"
)
_NAME = re.compile(rf"(?<![^\W_])({_LETTER}+)([-–]?)$")
_LONGEST = 40
# Their number is part of the name.
_NUMBERED = re.compile(
    r"(?:SARSCOV|FOLFOX|FOLFIRI|CHADSVASC|APACHE|ADAMTS|APO[AB]|USA)$", re.IGNORECASE
)
_USUAL = re.compile(r"[1-8]00|1[05]00|125|150|16[02]|250|32[05]|750|8[57]5")
_USUAL_OF_FEW = re.compile(r"[1-8]0|[27]5|81")
_SHORT_DRUGS = frozenset(("AAS", "ASA", "HCTZ", "HCT", "KCL", "ISMN", "NTG"))


def cuts(text: str) -> list[int]:
    """The places in a text where a token ends though the characters around it seem to be of one.

    RETURNS (list[int]): Sorted. None is next to white space.
    """
    found = {place for places in (_bullets, _items, _doses) for place in places(text)}
    return sorted(found)


def _bullets(text: str) -> Iterator[int]:
    """The sides of each bullet that touch a word, and the end of those that look like letters."""
    for match in _BULLETS.finditer(text):
        for place in match.span():
            if 0 < place < len(text) and not (text[place - 1].isspace() or text[place].isspace()):
                yield place
    for match in _AT_LINE.finditer("\n" + text):
        yield match.end() - 1
    for match in _NUMBER_SIGN.finditer(text):
        yield match.end()


class Item(NamedTuple):
    """A list item, if it is one.

    start (int): The start of its first word.
    glued (int | None): The end of a sign that separates it from the word before.
    """

    mark: str
    sign: str
    word: str
    start: int
    at_line: bool
    glued: int | None

    @property
    def numbers(self) -> Iterator[tuple[str, str, int]]:
        """The kinds of lists, by their sign, that have such a mark, and its number in each."""
        if self.mark[-1].isdigit():
            before, _, last = self.mark.rpartition(".")
            yield self.sign, before, int(last)
        elif self.at_line:
            letter, kind = self.mark.lower(), "upper" if self.mark.isupper() else "lower"
            for name, counted in (("letter", _LETTERS), ("Roman", _ROMAN)):
                if letter in counted:
                    yield self.sign, f"{kind} {name}", counted.index(letter)


def _items(text: str) -> Iterator[int]:
    """The end of each mark of an item that touches a word."""
    found = list(_candidates(text))
    numbers = {number for item in found for number in item.numbers}
    for item in found:
        listed = any(
            all((*kind, other) in numbers for other in range(1, max(number, 2) + 1))
            for *kind, number in item.numbers
        )
        if _is_item(item, listed):
            yield item.start
            if item.glued is not None:
                yield item.glued


def _candidates(text: str) -> Iterator[Item]:
    for match in _SIGN_AND_WORD.finditer(text):
        start = match.start("word")
        before = _MARK_AND_SIGN.search(text, max(0, start - _LONGEST_MARK), start)
        if before and not (_NO_ITEM.match(match["word"]) or _DATE.match(text, start)):
            at_line = before["line"] is not None
            glued = before.end("glued") if before["glued"] else None
            yield Item(before["mark"], before["sign"], match["word"], start, at_line, glued)


def _is_item(item: Item, listed: bool) -> bool:
    """Whether a mark is that of an item.

    listed (bool): Whether the text has the marks before it too, or after the first the second.
    """
    capital = item.word[0].isupper()
    if item.glued is not None:
        return listed and item.mark[0].isdigit()
    if not item.mark[0].isdigit():
        # "a.Furosemida", but not "c.difficile", "C.Isquemica" and "i.v.".
        return listed or (item.at_line and item.mark.islower() and item.sign == "." and capital)
    if _NO_DASH.search(item.sign):
        return listed or capital or len(item.word) >= (2 if item.at_line else 4)
    if _WITH_LOCANT.match(item.word):
        return False
    if item.at_line:
        return listed or capital or len(item.word) >= _LONG
    return listed and (capital or len(item.word) > 2)


def _doses(text: str) -> Iterator[int]:
    """The start of each dose that touches a name, and the sides of its unit."""
    for match in _AFTER_LETTERS.finditer(text):
        start = match.start()
        name = _NAME.search(text, max(0, start - _LONGEST), start)
        if name and _is_dose(name[1], name[2], match):
            yield start
            if name[2]:
                yield name.start(2)
            if match["unit"]:
                yield from _sides(text, *match.span("unit"))
    for match in _UNIT_IN_CAPITALS.finditer(text):
        start = match.start()
        while text[start - 1 : start] and text[start - 1] in "0123456789.,":
            start -= 1
        if not text[start - 1 : start].isalpha():
            yield from _sides(text, *match.span("unit"))


def _sides(text: str, start: int, end: int) -> Iterator[int]:
    """The borders of a unit. The rules of affixes take "G." for an abbreviation."""
    yield start
    if text[end : end + 1].isdigit() or (text[end : end + 1] == "." and end - start == 1):
        yield end


def _is_dose(name: str, hyphen: str, number: re.Match[str]) -> bool:
    """Whether the number after a name is its dose."""
    digits = re.match("[0-9]+", number[0])
    assert digits
    if _NUMBERED.match(name):
        return False
    if number["unit"]:
        return len(name) >= 3
    if hyphen:
        return name.isupper() and len(name) >= 7
    if name.isupper() and len(name) >= 6:
        return True
    if number.string[number.end() : number.end() + 1].isalnum():
        return False
    usual = _USUAL.fullmatch(digits[0])
    few = name.isupper() and len(name) == 5 and _USUAL_OF_FEW.fullmatch(digits[0])
    return bool(name.upper() in _SHORT_DRUGS or few or (usual and len(name) >= 3))
