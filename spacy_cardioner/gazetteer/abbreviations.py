"""Usual abbreviations and short forms: what they stand for, and where.

``resources/{es,en,it}/abbreviations.tsv`` has a row for each meaning of each abbreviation, with the
columns

- abbreviation: in lower case if its case does not matter, otherwise as it is written;
- expansion: the long form;
- label: of the entity that it is; empty if it is none, such as "ECG";
- cues: words near it that show this meaning, "*" for any ending; ``<drug>`` for a place where drugs
  stand (see `prescribed`), ``<number>`` for a number of two or more digits after it.

Of several meanings, the one with the nearest cue is right; without a cue, the one that needs none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.files import resources
from spacy_cardioner.gazetteer.clean import without_strength
from spacy_cardioner.gazetteer.laboratory import WINDOW, own_sentence
from spacy_cardioner.gazetteer.lexicon import Lexicon, in_case
from spacy_cardioner.gazetteer.normalise import fold, pieces, split_combination
from spacy_cardioner.gazetteer.patterns import LABEL, Pattern
from spacy_cardioner.texts import read_texts

FILE = "abbreviations.tsv"
DRUG, NUMBER = "<drug>", "<number>"

_COLUMNS = ["abbreviation", "expansion", "label", "cues"]
_SIGNS = set(":=(-~<>≥≤")
_LINKS = {"de", "of", "di"}
_LONG_NUMBER = re.compile(r"\d{2,}")


class Meaning(NamedTuple):
    """A meaning of an abbreviation. The label is "" for what is no entity."""

    abbreviation: str
    expansion: str
    label: str = ""
    cues: tuple[str, ...] = ()

    def has_cue(self, piece: str) -> bool:
        """Whether a piece is one of its cues."""
        return any(_fits(cue, piece) for cue in self.cues)


class Found(NamedTuple):
    """An abbreviation in a text: the first piece, the piece after the last, and what it may mean.

    pattern (Pattern): Its spelling, for `in_case`.
    """

    first: int
    last: int
    pattern: Pattern
    meanings: Sequence[Meaning]


class Abbreviations:
    """The abbreviations of one or several languages."""

    def __init__(self, paths: Iterable[Path]) -> None:
        """Read tables of abbreviations. RAISES (CardionerError): A table is invalid."""
        self._meanings: dict[str, list[Meaning]] = {}
        for meaning in (each for path in paths for each in _read(path)):
            self._meanings.setdefault(meaning.abbreviation, []).append(meaning)
        self._lexicon = Lexicon(pattern for text in self._meanings for pattern in _patterns(text))

    def __iter__(self) -> Iterator[Meaning]:
        for meanings in self._meanings.values():
            yield from meanings

    def find(self, folded: Sequence[str]) -> Iterator[Found]:
        """Find the abbreviations in a text, of several at a place the longest.

        folded (Sequence[str]): The pieces of the text, see `pieces`.
        """
        end_of_last = 0
        for first, last, patterns in self._lexicon.find(folded):
            if first >= end_of_last:
                for pattern in patterns:
                    yield Found(first, last, pattern, self._meanings[pattern.id])
                end_of_last = last

    def starts(self, text: str) -> bool:
        """Whether a text starts with an abbreviation, in any case."""
        return any(first == 0 for first, *_ in self._lexicon.find(pieces(text)))

    def expand(self, mention: str) -> list[str]:
        """The long forms of a drug that is abbreviated, or several with signs between them.

        RETURNS (list[str]): None if it is no abbreviation; several if it is ambiguous.
        """
        bare = without_strength(mention)
        if whole := self._drugs(bare):
            return whole
        parts = [self._drugs(part) for part in split_combination(bare)]
        if len(parts) < 2 or not any(parts):
            return []
        given = zip(split_combination(bare), parts, strict=True)
        return ["/".join(found[0] if found else part for part, found in given)]

    def meanings(self, text: str, label: str) -> list[Meaning]:
        """The meanings with a label of a text that is an abbreviation and nothing else."""
        for first, last, patterns in self._lexicon.find(found := pieces(text)):
            whole = first == 0 and last == len(found)
            return self._with_label(patterns, text, label) if whole else []
        return []

    def _drugs(self, text: str) -> list[str]:
        """The drugs that a text is the abbreviation of."""
        for _, last, patterns in self._lexicon.find(found := pieces(text)):
            drugs = (meaning.expansion for meaning in self._with_label(patterns, text, LABEL))
            return list(dict.fromkeys(drugs)) if last == len(found) else []
        return []

    def _with_label(self, patterns: Iterable[Pattern], text: str, label: str) -> list[Meaning]:
        """The meanings with a label of the patterns that a text has in the case they need."""
        found = (m for p in patterns if in_case(p, text) for m in self._meanings[p.id])
        return [meaning for meaning in found if meaning.label == label]


def choose(found: Found, folded: Sequence[str], is_prescribed: Callable[[], bool]) -> list[Meaning]:
    """The meanings that an abbreviation has in its place; none if that is unknown.

    is_prescribed (Callable): Whether it stands where drugs stand.
    RETURNS (list[Meaning]): Several if they have the same label and the same cue.
    """
    before = own_sentence(folded[max(0, found.first - WINDOW) : found.first][::-1])
    after = own_sentence(folded[found.last : found.last + WINDOW])
    best, chosen = WINDOW + 1, list[Meaning]()
    for meaning in found.meanings:
        distance = min(
            (_distance(cue, before, after, is_prescribed) for cue in meaning.cues), default=WINDOW
        )
        if distance < best:
            best, chosen = distance, []
        if distance == best <= WINDOW:
            chosen.append(meaning)
    labels = {meaning.label for meaning in chosen}
    return chosen if len(labels) == 1 else []


def _distance(
    cue: str, before: Sequence[str], after: Sequence[str], is_prescribed: Callable[[], bool]
) -> int:
    """The number of pieces between an abbreviation and a cue, or a large number."""
    if cue == DRUG:
        return -1 if is_prescribed() else WINDOW + 1
    if cue == NUMBER:
        number = [piece for piece in after[:4] if piece not in _SIGNS | _LINKS]
        return -1 if number and _LONG_NUMBER.fullmatch(number[0]) else WINDOW + 1
    near = (i for words in (before, after) for i, word in enumerate(words) if _fits(cue, word))
    return min(near, default=WINDOW + 1)


def _fits(cue: str, piece: str) -> bool:
    start = cue.removesuffix("*")
    return piece == cue or (start != cue and piece.startswith(start))


def _patterns(abbreviation: str) -> Iterator[Pattern]:
    """The spellings of an abbreviation, with itself as id.

    One in lower case is found in any case, others only in their own capitals, or in capitals.
    """
    kind = "ingredient" if abbreviation.islower() else "abbreviation"
    yield Pattern(abbreviation, abbreviation, kind)
    if " " in abbreviation:
        # "insuf. cardiaca": the full stop is a token.
        yield Pattern(abbreviation.replace(" ", " . ", 1), abbreviation, kind)


@lru_cache(maxsize=8)
def abbreviations(lang: str) -> Abbreviations:
    """The abbreviations of a language, or of all languages for one without, such as "xx"."""
    return Abbreviations(resources(lang, FILE))


def _read(path: Path) -> Iterator[Meaning]:
    for number, line in enumerate(read_texts(path), 1):
        cells = line.rstrip("\r\n").split("\t")
        if number == 1 and cells == _COLUMNS:
            continue
        if len(cells) != len(_COLUMNS) or not (pieces(cells[0]) and cells[1]):
            raise CardionerError(
                f"{path}:{number}: needs {', '.join(_COLUMNS)}, delimited by tabs; the last two "
                "may be empty"
            )
        abbreviation, expansion, label, cues = cells
        yield Meaning(abbreviation, expansion, label, tuple(map(fold, cues.split())))
