"""Where drugs stand: before a dose or how it is taken, after a word of giving, among other drugs.

The words are in ``words.tsv``: units and forms, "intake" for what follows a drug or its dose, and
"giving" for what stands before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from functools import lru_cache
from typing import NamedTuple

from spacy_cardioner.gazetteer.clean import words

# What may stand between a name and its dose.
_OPENING = {":", "(", "=", ".", "a", "at", "de", "di", "of"}
_IN_NUMBER = set(",/-–x+×")
_PER_VOLUME = {"l", "dl", "ml", "100"}
_ARTICLES = {"el", "la", "los", "las", "un", "una", "the", "a", "an", "il", "lo", "l", ":", "-"}
_LINKS = {"de", "con", "a", "por", "of", "with", "to", "on", "from", "di", "per", "in"}
_BETWEEN = {",", ";", "+", "/", "&", "y", "e", "and", "-", "–", "•", "·", "*"}
_IN_DOSE = {"(", ")", ".", "%", "h", "min"}
_TIMES = {"q", "c", "x"}
# The number of pieces between two drugs of a list.
_GAP = 12


class _Words(NamedTuple):
    """The words of each use, folded.

    after (Set[str]): All that may stand right after a dosed drug.
    in_list (Set[str]): Those in a list of drugs.
    before (Set[str]): All that may stand right before a given drug.
    beside (Set[str]): All that may stand beside a drug in a list.
    """

    dose: Set[str]
    intake: Set[str]
    giving: Set[str]
    after: Set[str]
    in_list: Set[str]
    before: Set[str]
    beside: Set[str]


@lru_cache(maxsize=1)
def _listed() -> _Words:
    found = words()
    dose, intake = found["unit"] | found["form"], found["intake"]
    after, in_list = intake | _OPENING | _TIMES, dose | intake | _IN_DOSE
    before, beside = found["giving"] | _ARTICLES | _LINKS, in_list | _BETWEEN
    return _Words(dose, intake, found["giving"], after, in_list, before, beside)


def is_prescribed(
    folded: Sequence[str], first: int, last: int, starts: Set[int], ends: Set[int]
) -> bool:
    """Whether a word stands where drugs stand.

    folded (Sequence[str]): The pieces of the text, see `pieces`.
    first, last (int): The first piece of the word, and the piece after its last.
    starts, ends (Set[int]): The first pieces of drugs, and the pieces after their last.
    """
    # The neighbours decide for most words.
    listed = _listed()
    behind = folded[last] if last < len(folded) else ""
    before = folded[first - 1] if first else ""
    if (behind in listed.after or behind.isdigit()) and is_dosed(folded, last):
        return True
    if before in listed.before and _is_given(folded, first):
        return True
    if (before in listed.beside or before.isdigit()) and ends:
        if _is_listed(folded, range(first - 1, max(-1, first - _GAP), -1), ends, 0):
            return True
    if (behind in listed.beside or behind.isdigit()) and starts:
        return _is_listed(folded, range(last, min(len(folded), last + _GAP)), starts, 1)
    return False


def is_dosed(folded: Sequence[str], last: int) -> bool:
    """Whether a dose follows a word, or how a drug is taken."""
    listed = _listed()
    # Most words end here.
    if last >= len(folded) or not (folded[last].isdigit() or folded[last] in listed.after):
        return False
    after = folded[last : last + _GAP]
    start = 0
    while start < min(2, len(after)) and after[start] in _OPENING:
        start += 1
    end = start
    if start < len(after) and after[start].isdigit():
        while end < len(after) and (after[end].isdigit() or after[end] in _IN_NUMBER):
            end += 1
    number, rest = after[start:end], after[end:]
    # "1-0-0"
    if len(number) >= 3 and all(len(part) == 1 and part.isdigit() for part in number[-3:]):
        return True
    if not rest:
        return False
    if number and rest[0] in listed.dose:
        return not (rest[1:2] == ["/"] and rest[2:3] and rest[2] in _PER_VOLUME)
    # "q6h", "c/12 h", "x 3"
    timed = rest[0] in _TIMES and any(part.isdigit() for part in rest[1:3])
    return timed or rest[0] in listed.intake


def _is_given(folded: Sequence[str], first: int) -> bool:
    """Whether a word of giving stands before, as in "started on", or a dose, as in "20 mg de"."""
    at = first - 1
    while at > max(0, first - 4) and folded[at] in _ARTICLES:
        at -= 1
    if at < 0:
        return False
    giving = _listed().giving
    linked = at > 0 and folded[at] in _LINKS
    before = folded[at - 1]
    return folded[at] in giving or (linked and (before in giving or before in _listed().dose))


def _is_listed(folded: Sequence[str], places: Iterable[int], drugs: Set[int], step: int) -> bool:
    """Whether only doses and at least one sign or "and" are between a word and another drug.

    places (Iterable[int]): The pieces before or after the word, the nearest first.
    drugs (Set[int]): Where the other drugs start, or end.
    step (int): 1 for pieces after the word, 0 for those before.
    """
    delimited = False
    for place in places:
        piece = folded[place]
        if piece in _BETWEEN:
            delimited = True
        elif not (piece.isdigit() or piece in _listed().in_list):
            return False
        if delimited and place + step in drugs:
            return True
    return False
