"""Normal forms of names: without case, accents and hyphens, or independent of the language."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from spacy_cardioner.characters import seen

_SIGNS = str.maketrans({"®": "", "™": "", "©": "", "+": "/", "&": "/", "’": "'", "`": "'"})
_HYPHENS = re.compile(r"[\u2010-\u2015\u2212]")
_GREEK = {"α": "alfa", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ω": "omega"}
_GREEK_LETTER = re.compile("|".join(_GREEK), re.IGNORECASE)
_PIECE = re.compile(r"[^\W\d_]+|\d+|[^\w\s]")
_WORD = re.compile(r"[^\W_]")
_INSIDE = {"-", ".", "'"}

# Delimiters of the substances of a combination. Words need text on both sides.
_COMBINED = re.compile(
    r"\s*[/+&;]\s*|\s+(?:y|e|ed|and|und|con|with|plus|più|mas|más|associat[oa] (?:a|ad|con))\s+",
    re.IGNORECASE,
)
_VITAMIN = re.compile(r"vitamin[ae]?$", re.IGNORECASE)
# Words that a name may omit. "e" is not one of them, because of vitamin E.
_LINKS = {"de", "del", "di", "da", "dei", "delle", "la", "of", "and", "y", "con", "with"}

# Spellings of the same sound in the three languages, replaced in this order.
_SPELLINGS = [
    (re.compile(pattern), spelling)
    for pattern, spelling in (
        ("ph", "f"),
        ("^es(?=[cpqt])", "s"),
        ("solf", "sulf"),
        ("qu(?=[ei])|ch|k", "c"),
        ("qu", "cu"),
        ("h", ""),
        ("y", "i"),
        ("[ao]e", "e"),
        ("ous$", "os"),
        ("ou", "u"),
        ("n(?=[fm])|m(?=f)", "m"),
        ("x", "s"),
        ("[cp]t", "t"),
        ("w", "v"),
        (r"([a-z])\1+", r"\1"),
        ("(?<=brom|clor|luor)uro?$|(?<=iod)uro?$", "id"),
        # Endings: of the plural, of Latin, vowels.
        ("(?<=[a-z]{4}[^isu])s$", ""),
        ("(?<=[a-z]{4})(?:um|us)$", ""),
        ("(?<=[a-z]{3})[aeiou]+$", ""),
    )
]
_ROMAN_NUMBER = re.compile("[ivx]+")


def fold(text: str, lower: bool = True) -> str:
    """Remove accents, trademarks and what is invisible, unify hyphens and Greek letters, and lower
    the case.
    """
    text = text.translate(_SIGNS)
    if not text.isascii():
        marked = unicodedata.normalize("NFKD", _HYPHENS.sub("-", seen(text)))
        text = "".join(char for char in marked if not unicodedata.combining(char))
        text = _GREEK_LETTER.sub(lambda letter: _GREEK[letter[0].lower()], text)
    return text.casefold() if lower else text


def pieces(text: str) -> tuple[str, ...]:
    """Split a name or token into runs of letters, runs of digits, and other characters, folded.

    Hyphens, points and apostrophes inside a word are omitted, so that "beta-bloqueantes" equals
    "beta bloqueantes"; those between spaces, as in "a - b", are kept.
    """
    found: list[str] = []
    for word in fold(text).split():
        parts = _PIECE.findall(word)
        if _WORD.search(word):
            parts = [part for part in parts if part not in _INSIDE]
        found += parts
    return tuple(found)


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """One spelling, for comparison, of a folded word in Spanish, English, Italian and Latin.

    "heparin", "heparina" and "eparina" have the same stem; so have "atropine" and "atropinum".
    """
    if not _ROMAN_NUMBER.fullmatch(word):
        for pattern, spelling in _SPELLINGS:
            word = pattern.sub(spelling, word)
    return word


def count_letters(text: str) -> int:
    """The number of letters."""
    return sum(map(str.isalpha, text))


def key(text: str) -> str:
    """The sorted stems of a name: equal for all languages and orders of the words."""
    words = [piece for piece in pieces(text) if piece.isalnum() and piece not in _LINKS]
    return " ".join(sorted(map(stem, words)))


def split_combination(text: str) -> list[str]:
    """Split "sacubitrilo/valsartán" into its substances. Another name is its only part."""
    parts: list[str] = []
    start = 0
    for sign in _COMBINED.finditer(text):
        part = text[start : sign.start()]
        if not _VITAMIN.search(part):
            parts.append(part.strip())
            start = sign.end()
    parts.append(text[start:].strip())
    return parts if all(_WORD.search(part) for part in parts) else [text]
