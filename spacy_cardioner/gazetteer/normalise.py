"""Names compared: without case, accents and hyphens, or without their language's spelling."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_SIGNS = str.maketrans({"®": "", "™": "", "©": "", "+": "/", "&": "/", "’": "'", "`": "'"})
_HYPHENS = re.compile(r"[\u00ad\u2010-\u2015\u2212]")
_GREEK = {"α": "alfa", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ω": "omega"}
_GREEK_LETTER = re.compile("|".join(_GREEK), re.IGNORECASE)
_PIECE = re.compile(r"[^\W\d_]+|\d+|[^\w\s]")
_WORD = re.compile(r"[^\W_]")
_INSIDE = {"-", ".", "'"}

# What parts the substances of a combination. The words need something on both sides.
_COMBINED = re.compile(
    r"\s*[/+&;]\s*|\s+(?:y|e|ed|and|und|con|with|plus|più|mas|más|associat[oa] (?:a|ad|con))\s+",
    re.IGNORECASE,
)
_VITAMIN = re.compile(r"vitamin[ae]?$", re.IGNORECASE)
# Words of a name that a language may leave out. "e" is no such word: there is vitamin E.
_LINKS = {"de", "del", "di", "da", "dei", "delle", "la", "of", "and", "y", "con", "with"}

# Spellings of the same sound in the three languages, in the order in which they are undone.
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
    )
]
_ROMAN_NUMBER = re.compile("[ivx]+")
_PLURAL = re.compile("(?<=[a-z]{4}[^isu])s$")
_LATIN_ENDING = re.compile("(?<=[a-z]{4})(?:um|us)$")
_VOWELS = re.compile("(?<=[a-z]{3})[aeiou]+$")


def fold(text: str, lower: bool = True) -> str:
    """Drop what tells spellings of a name apart but not names: accents, marks, case.

    text (str): A name or a part of it.
    lower (bool): Also drop the case.
    RETURNS (str): Small letters from a to z where there are any; hyphens of one kind.
    """
    if not text.isascii():
        text = _HYPHENS.sub("-", text.translate(_SIGNS))
        marked = unicodedata.normalize("NFKD", text)
        text = "".join(char for char in marked if not unicodedata.combining(char))
        text = _GREEK_LETTER.sub(lambda letter: _GREEK[letter[0].lower()], text)
    else:
        text = text.translate(_SIGNS)
    return text.casefold() if lower else text


def pieces(text: str) -> tuple[str, ...]:
    """The runs of letters and of digits of a name, with the signs that part its words.

    Hyphens, points and apostrophes inside a word are no pieces, so that "beta-bloqueantes" is the
    same as "beta bloqueantes", but signs of their own, as in "a - b", are.

    text (str): A name, or a token of a text.
    RETURNS (tuple[str, ...]): The pieces, folded.
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
    """One spelling for a word's variants in Spanish, English, Italian and Latin.

    "heparin", "heparina" and "eparina" give the same; so do "atropine", "atropina", "atropinum".

    word (str): A folded word.
    RETURNS (str): The common spelling, for comparing alone.
    """
    if _ROMAN_NUMBER.fullmatch(word):
        return word
    for pattern, spelling in _SPELLINGS:
        word = pattern.sub(spelling, word)
    word = _PLURAL.sub("", word)
    word = _LATIN_ENDING.sub("", word)
    return _VOWELS.sub("", word)


def key(text: str) -> str:
    """One spelling for a name whatever its language and the order of its words.

    text (str): A name.
    RETURNS (str): The stems of its words, sorted; "" where it has no word.
    """
    words = [piece for piece in pieces(text) if piece.isalnum() and piece not in _LINKS]
    return " ".join(sorted(map(stem, words)))


def split_combination(text: str) -> list[str]:
    """The parts of a combination of substances.

    text (str): A name such as "sacubitrilo/valsartán" or "amoxicillina e acido clavulanico".
    RETURNS (list[str]): Its parts; the name alone where it is no combination.
    """
    parts: list[str] = []
    start = 0
    for sign in _COMBINED.finditer(text):
        if _VITAMIN.search(text[start : sign.start()]):
            continue
        parts.append(text[start : sign.start()].strip())
        start = sign.end()
    parts.append(text[start:].strip())
    return parts if all(_WORD.search(part) for part in parts) else [text]
