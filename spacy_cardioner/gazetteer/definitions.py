"""Abbreviations that a text defines: "insuficiencia cardíaca (IC)".

source: Schwartz and Hearst, A simple algorithm for identifying abbreviation definitions in
    biomedical text, PSB 2003
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from spacy_cardioner.gazetteer.normalise import fold

_SHORT = re.compile(r"\((?P<short>\w[\w./+-]{1,9})\)")
_SENTENCE_END = re.compile(r"[.;:!?]\s|[()\n]")


def definitions(text: str) -> Iterator[tuple[str, str]]:
    """Find the abbreviations in parentheses after their long forms.

    YIELDS (tuple[str, str]): Each abbreviation and its long form.
    """
    for found in _SHORT.finditer(text):
        short = found["short"]
        sentence = _SENTENCE_END.split(text[: found.start()])[-1]
        most = min(len(short) + 5, 2 * len(short))
        long = long_form(short, " ".join(sentence.split()[-most:]))
        if long and len(long) > len(short) and any(map(str.isupper, short)):
            yield short, long


def long_form(short: str, text: str) -> str | None:
    """The shortest end of a text that has the letters of an abbreviation in their order.

    The first letter must start a word. None if the text has no such end.
    """
    letters = [char for char in fold(short) if char.isalnum()]
    words = text.split()
    rest = folded = " ".join(fold(word).replace(" ", "") for word in words)
    for letter in reversed(letters[1:]):
        at = rest.rfind(letter)
        if at < 0:
            return None
        rest = rest[:at]
    starts = list(re.finditer(rf"\b{re.escape(letters[0])}", rest)) if letters else []
    if not starts:
        return None
    return " ".join(words[folded.count(" ", 0, starts[-1].start()) :])
