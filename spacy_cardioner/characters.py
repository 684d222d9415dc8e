"""Characters that no reader sees or that stand for others, and what a word with them looks like.

Programs leave them in notes: directional marks, soft hyphens, no-break spaces, form feeds, bullets
of word processors, ligatures, accents as characters of their own.
"""

from __future__ import annotations

import re
import unicodedata

# Bodies of character classes. First those without width: Unicode's default-ignorable ones, and
# control characters.
INVISIBLE = (
    r"\x00-\x06\x08\x0e-\x1b\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    r"\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff"
)
BLANK = r"\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
LINE_END = r"\n\r\x0b\x0c\x85\u2028\u2029"
# Signs of lists. In private use are the bullets of fonts such as Wingdings; \u2460 and others are
# numbers in circles; \x07 ends a cell of a table in Word.
BULLET = (
    r"\x07\ue000-\uf8ff\U000f0000-\U0010fffd\u2460-\u249b\u24ea-\u24ff\u2776-\u2793"
    r"‣⁃∙‧・∗※⁌⁍▷⇒⟶↦"
)

# Where the text on one page and on the next have nothing to do with each other.
PAGE_BREAK = "\x0c"

ODD = re.compile(rf"[{INVISIBLE}{BLANK}{BULLET}\x0b\x0c\x85\u2028\u2029\u0300-\u036f\ufb00-\ufb06]")
_INVISIBLES = re.compile(rf"[{INVISIBLE}]+")
# A soft hyphen is a hyphen at the end of a line only.
_SOFT_HYPHEN = rf"\u00ad[ \t]*(?:\r\n|[{LINE_END}])[ \t]*(?=[^\W\d_A-ZÀ-Þ])"
_BROKEN = re.compile(_SOFT_HYPHEN)
_ALIKE = re.compile(rf"[{BLANK}{BULLET}\x0b\x0c\x85\u2028\u2029\ufb00-\ufb06]")
UNSEEN = re.compile(rf"{_SOFT_HYPHEN}|[{INVISIBLE}]+|[{BLANK}]")


def seen(word: str) -> str:
    """What a word or a sign looks like: composed, without invisible characters and ligatures.

    A no-break space looks like a space, a form feed like a line feed, any bullet like "•".
    """
    if not ODD.search(word):
        return word
    word = _INVISIBLES.sub("", _BROKEN.sub("", word))
    return unicodedata.normalize("NFC", _ALIKE.sub(_look_alike, word))


def _look_alike(match: re.Match[str]) -> str:
    char = match[0]
    if char.isspace():
        return "\n" if char.splitlines()[0] == "" else " "
    if "\ufb00" <= char <= "\ufb06":
        return unicodedata.normalize("NFKC", char)
    return "•"


def is_ignored(token: str) -> bool:
    """Whether a token is nothing to a reader, or no more than the space between two words."""
    return token != " " and seen(token) in ("", " ")
