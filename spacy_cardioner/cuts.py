"""Where tokens end in texts that lack a space: after the mark of a list item, before a dose.

The affix rules of a tokenizer look at one run of characters. These look at what is around it too:
"1.Furosemida" is an item, "1.º" is not; in "FUROSEMIDA40MG" is a dose, in "COVID19" none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from spacy_cardioner.characters import BULLET, LINE_END

_LETTER = r"[^\W\d_]"
_UPPER = r"[A-ZÀ-ÖØ-Þ]"
_LOWER = r"[a-zß-öø-ÿ]"
_DASH = r"[-‐‑‒–—―_]"

# Signs that only mark items, wherever they stand, beside those that the affix rules know.
_BULLETS = re.compile(rf"[•{BULLET}†‡¶―﹣－]+")
# Bullets of fonts that became letters or lost their space ("oFurosemida"), and ".-Furosemida".
_AT_LINE = re.compile(
    rf"(?<![^{LINE_END}])[ \t]*(?:[olnquvüØ](?={_UPPER}{_LOWER}{{3}})|[.·]+{_DASH}*(?={_LETTER}{{3}}))"
)

# A number, a letter or a Roman number, a sign, and a word. Where the item does not start the line,
# it stands after a space or a sign.
_ITEM = re.compile(
    rf"(?:(?P<line>(?<![^{LINE_END}])[ \t]*)|(?<![^\s:;(]))"
    rf"[-–—*•+>#(\[]{{0,3}}(?P<mark>[0-9]{{1,2}}(?:\.[0-9]{{1,2}}){{0,2}}|[a-h]|[A-H]|[ivx]{{1,4}}|[IVX]{{1,4}})"
    rf"(?P<sign>[.)\]ºª°\u20e3]+{_DASH}*|{_DASH}+|(?<=#[0-9])|(?<=#[0-9]{{2}}))"
    rf"(?P<word>{_LETTER}[^\W_]+)(?![-/.][0-9])"
)
_LETTERS = (*" abcdefgh",)
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
    r"year|año|ann[io]|hour|hora|ore\b|min|point|way|step|fold)|(?:FU(?:DR)?|HT|HIAA|ASA|MP|TG|OH\w?|TC|ARA|DHT)$",
)
_LONG = 8

_NUMBER = r"[0-9]{1,4}(?:[.,][0-9]{1,3})?"
_UNIT = r"(?i:[mµμu]?gr?|mgs|mcg|m[lL]|c[cm]|[mdcµμu]l|m?eq|u\.?i|u|h|hs|hrs)"
_AFTER_LETTERS = re.compile(
    rf"[0-9](?<={_LETTER}[0-9]|[-–][0-9])[0-9]{{0,3}}(?:[.,][0-9]{{1,3}})?"
    rf"(?P<unit>{_UNIT}(?!{_LETTER}))?"
)
# "1G", but not the gauge "20G".
_UNIT_IN_CAPITALS = re.compile(
    r"[0-9](?=(?:[MU]GR?|GR|MGS|MCG|ML|CC|UI|MEQ|HS?)(?![^\W_]))|(?<![0-9])[0-9](?=G(?![^\W_]))"
)
_NAME = re.compile(rf"(?<![^\W_])({_LETTER}+)([-–]?)$")
_LONGEST = 40
# Their number is part of the name.
_NUMBERED = re.compile(
    r"(?:COVID|SARSCOV|FOLFOX|FOLFIRI|CHADSV?A?S?C?|APACHE|APO[AB]|IL|CA|CD|HPV|VPH)$", re.I
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
    for match in _AT_LINE.finditer(text):
        yield match.end()


def _items(text: str) -> Iterator[int]:
    """The end of each mark of an item that touches a word."""
    found = [item for item in _ITEM.finditer(text) if not _NO_ITEM.match(item["word"])]
    counted = {place for item in found for place in _counted(item)}
    for item in found:
        listed = any(
            all((*kind, before) in counted for before in range(1, max(number, 2) + 1))
            for *kind, number in _counted(item)
        )
        if _is_item(item, listed):
            yield item.start("word")


def _is_item(item: re.Match[str], listed: bool) -> bool:
    """Whether a mark is that of an item.

    listed (bool): Whether the text has the marks before it too, or after the first the second.
    """
    mark, sign, word, at_line = item["mark"], item["sign"], item["word"], item["line"] is not None
    capital = word[0].isupper()
    if not mark[0].isdigit():
        # "a.Furosemida", but not "c.difficile", "C.Isquemica" and "i.v.".
        return listed or (at_line and mark.islower() and sign == "." and capital)
    if not sign or _NO_DASH.search(sign):
        return listed or capital or not sign or len(word) >= (2 if at_line else 4)
    if _WITH_LOCANT.match(word):
        return False
    return (at_line and (capital or len(word) >= _LONG)) or (listed and (at_line or capital))


def _counted(item: re.Match[str]) -> Iterator[tuple[str, str, int]]:
    """The kinds of lists that may have a mark, by their sign, and its number in each."""
    mark, sign = item["mark"], item["sign"]
    if mark[-1].isdigit():
        before, _, last = mark.rpartition(".")
        yield sign, before, int(last)
    elif item["line"] is not None:
        kind = "upper" if mark.isupper() else "lower"
        if len(mark) == 1 and mark.lower() in _LETTERS:
            yield sign, kind, _LETTERS.index(mark.lower())
        if mark.lower() in _ROMAN:
            yield sign, f"{kind} Roman", _ROMAN.index(mark.lower())


def _doses(text: str) -> Iterator[int]:
    """The start of each dose that touches a name, and of its unit."""
    for match in _AFTER_LETTERS.finditer(text):
        start, end = match.span()
        name = _NAME.search(text, max(0, start - _LONGEST), start)
        if name and _is_dose(name[1], name[2], match):
            yield start
            if name[2]:
                yield name.start(2)
            if match["unit"]:
                yield match.start("unit")
                if text[end : end + 1].isdigit():
                    yield end
    for match in _UNIT_IN_CAPITALS.finditer(text):
        start = match.start()
        while text[start - 1 : start] and text[start - 1] in "0123456789.,":
            start -= 1
        if not text[start - 1 : start].isalpha():
            yield match.end()


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
