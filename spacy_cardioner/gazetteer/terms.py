"""Terms: names of diseases and findings in vocabularies. Lists of them, and their look-up."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from spacy_cardioner.gazetteer.lexicon import EXACT, NORMALISED, Answer
from spacy_cardioner.gazetteer.names import TERM, Name
from spacy_cardioner.gazetteer.normalise import count_letters, pieces, stem
from spacy_cardioner.gazetteer.patterns import Pattern
from spacy_cardioner.gazetteer.report import Report
from spacy_cardioner.spans import vocabulary_of

# The minimal number of letters of a name, and the maximal one of an abbreviation.
SHORTEST, SHORT = 3, 5
# Shorter words have no endings.
MIN_STEM = 5
# Words that a name may omit.
_LINKS = frozenset("de del la el los las di della dello dell delle degli dei of the".split())
_NUMBERS = {"i": "1", "ii": "2", "iii": "3", "iv": "4"}
# What classifications add to the usual name.
_UNSPECIFIED = re.compile(
    r"(?:,|\s)\s*\(?(?:no especificad[oa]s?|sin (?:otra )?especificaci[oó]n|sin especificar|"
    r"non specificat[oaie]|unspecified|NOS|SAI)\)?$"
)
# Names of everything that a vocabulary lists.
_GENERIC = frozenset(
    "all disease diseases disorder syndrome enfermedad enfermedades sindrome todos trastorno "
    "malattia malattie disturbo".split()
)

_MAX_CACHE = 50_000

Key = tuple[str, str]


class Terms:
    """Terms with their codes, by the label of the entities that they are for."""

    def __init__(self) -> None:
        self._patterns: dict[Pattern, None] = {}
        self._answers: dict[Key, Answer | None] = {}

    def __len__(self) -> int:
        return len(self._patterns)

    def __iter__(self) -> Iterator[Pattern]:
        return iter(self._patterns)

    def add(self, patterns: Iterable[Pattern]) -> None:
        """Add terms. The codes of a name that exists already follow the new ones."""
        self._patterns |= dict.fromkeys(patterns)
        for table in ("labels", "_by_name", "_by_words"):
            self.__dict__.pop(table, None)
        self._answers = {}

    @cached_property
    def labels(self) -> frozenset[str]:
        """The labels of the entities that have terms."""
        return frozenset(pattern.label for pattern in self)

    def look_up(self, mention: str, label: str) -> Answer | None:
        """Look up a mention in the terms for a label, or None if it is none of them.

        It may differ from its term in case, accents and signs; or, if there is no such term, in the
        order, number and gender of its words, and in articles. A mention that fits different codes
        of a vocabulary has them as candidates, and no code.
        """
        # Replaced instead of cleared, because other threads may be using it.
        answers = self._answers
        if len(answers) > _MAX_CACHE:
            self._answers = answers = {}
        if (mention, label) not in answers:
            answers[mention, label] = self._look_up(mention, label)
        return answers[mention, label]

    def _look_up(self, mention: str, label: str) -> Answer | None:
        if known := self._by_name.get((label, _joined(mention))):
            exact = any(pattern.text == mention for pattern in known)
            return _answer(EXACT if exact else NORMALISED, known, several=not known[0].id)
        if known := self._by_words.get((label, _words(mention))):
            ids = {pattern.id for pattern in known}
            first = vocabulary_of(known[0].id)
            alike = [code for code in ids if vocabulary_of(code) == first]
            return _answer(NORMALISED, known, several=not all(ids) or len(alike) > 1)
        return None

    # The tables are made at the first look-up: a pipeline may never need them.
    @cached_property
    def _by_name(self) -> dict[Key, list[Pattern]]:
        return self._table(_joined)

    @cached_property
    def _by_words(self) -> dict[Key, list[Pattern]]:
        return self._table(_words)

    def _table(self, form: Callable[[str], str]) -> dict[Key, list[Pattern]]:
        table: dict[Key, list[Pattern]] = {}
        for pattern in reversed(self._patterns):
            if key := form(pattern.text):
                table.setdefault((pattern.label, key), []).append(pattern)
        return table


def term_patterns(
    names: Iterable[Name], labels: Sequence[str], report: Report | None = None
) -> list[Pattern]:
    """Make the patterns of terms, for each label, sorted.

    names (Iterable[Name]): Terms. A name in several vocabularies gets the code of the first; one
        that is the name of several codes of each of its vocabularies gets none, only candidates.
    """
    report = report or Report()
    texts: dict[str, str] = {}
    codes: dict[str, dict[str, bool]] = {}
    vocabularies: dict[str, int] = {}
    for name in names:
        vocabularies.setdefault(vocabulary_of(name.code), len(vocabularies))
        report.note("read", name.text)
        usual = _UNSPECIFIED.sub("", name.text).strip()
        for text in dict.fromkeys((name.text, usual)):
            joined = _joined(text)
            if reason := _reason_to_drop(text, joined):
                report.note(reason, text)
                continue
            if texts.setdefault(joined, text) is not text:
                report.note("duplicate", text)
            known = codes.setdefault(joined, {})
            preferred = name.preferred and text == name.text
            known[name.code] = known.get(name.code, False) or preferred
    patterns = []
    for joined, text in texts.items():
        first, *also = _ranked(codes[joined], vocabularies)
        if also:
            report.note("ambiguous", text, " ".join(also if not first else [first, *also]))
        for label in labels:
            report.note("kept", text, first)
            patterns.append(Pattern(text, first, TERM, tuple(also), label))
    return sorted(patterns)


def _joined(text: str) -> str:
    return " ".join(pieces(text))


def _words(text: str) -> str:
    """The sorted words of a name, without articles, number and gender.

    Words in capitals are abbreviations, which stay as they are, unless all words are in capitals.
    """
    found: list[str] = []
    for word in text.split():
        short = word.isupper() and (word == text or not text.isupper())
        for piece in pieces(word):
            if not piece.isalnum() or (piece in _LINKS and not short):
                continue
            as_written = short or len(piece) < MIN_STEM
            found.append(_NUMBERS.get(piece, piece) if as_written else stem(piece))
    return " ".join(sorted(found))


def _answer(match: str, patterns: Sequence[Pattern], *, several: bool) -> Answer | None:
    codes = [pattern.id for pattern in patterns if pattern.id]
    codes += [code for pattern in patterns for code in pattern.also]
    candidates = list(dict.fromkeys(codes))
    return Answer(match, candidates, several) if candidates else None


def _ranked(codes: Mapping[str, bool], vocabularies: Mapping[str, int]) -> list[str]:
    """The codes of a name, first the one that it means, or "" if that is unknown.

    codes (Mapping[str, bool]): Whether it is the preferred name of each code.
    vocabularies (Mapping[str, int]): The rank of each vocabulary.
    """
    ranked = sorted(codes, key=lambda c: (vocabularies[vocabulary_of(c)], not codes[c]))
    for vocabulary in dict.fromkeys(map(vocabulary_of, ranked)):
        own = [code for code in ranked if vocabulary_of(code) == vocabulary]
        best = [code for code in own if codes[code]] or own
        if len(best) == 1:
            return [*best, *(code for code in ranked if code != best[0])]
    return ["", *ranked]


def _reason_to_drop(text: str, joined: str) -> str | None:
    """The step of the report that drops a name, if any."""
    letters = count_letters(text)
    if letters < SHORTEST:
        return "short"
    if joined in _GENERIC:
        return "generic"
    # The same capitals mean other things elsewhere, and vocabularies translate them literally.
    return "abbreviation" if letters <= SHORT and text.isupper() else None
