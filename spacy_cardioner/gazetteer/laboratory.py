"""Rules for names that are measured values and not drugs: "sodium 140 mEq/l", "serum iron"."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice, takewhile
from pathlib import Path

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.files import resources
from spacy_cardioner.gazetteer.lexicon import Lexicon
from spacy_cardioner.gazetteer.normalise import pieces
from spacy_cardioner.gazetteer.patterns import Pattern
from spacy_cardioner.texts import read_texts

RULES_FILE = "analytes.tsv"
ANALYTE, BETWEEN = "analyte", "between"
_LABORATORY = (ANALYTE, "context", "unit")
_TREATMENT = ("drug", "treatment", "dose")
KINDS = (*_LABORATORY, *_TREATMENT, BETWEEN)

_SENTENCE_END = {".", "!", "?", "…", "\n"}
# The number of pieces before and after a name that belong to its context.
WINDOW = 10
# Characters between a name and its value, and within a value such as "3,5 - 5".
_SIGNS = set(":=(<>≤≥≈~±,-[/x×^*")


class Laboratory:
    """Rules that distinguish measured values from drugs, for one or several languages.

    Analytes are substances that laboratories measure and that may be drugs as well. Drugs whose
    level is measured, such as digoxin, are not analytes.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        """Read tables with the columns name and kind.

        RAISES (CardionerError): A table is invalid.
        """
        rules = [rule for path in paths for rule in _read(path)]
        # The label of a pattern is the kind of a rule.
        self._rules = Lexicon(Pattern(name, label=kind) for name, kind in rules)
        self._analytes = {" ".join(pieces(name)) for name, kind in rules if kind == ANALYTE}

    def is_analyte(self, folded: Sequence[str]) -> bool:
        """Whether a name, given by its pieces, is an analyte."""
        return " ".join(folded) in self._analytes

    def is_context(self, folded: Sequence[str], first: int, last: int) -> bool:
        """Whether a name is in a laboratory context.

        A following value decides: it is a measurement unless it is a dose. Without a value, the
        nearest cue decides, such as "serum" and "levels", or "treatment" and "infusion". Without a
        cue, another analyte is a laboratory context.

        first, last (int): The first piece of the name, and the piece after its last.
        """
        before = own_sentence(folded[max(0, first - WINDOW) : first][::-1])[::-1]
        after = own_sentence(folded[last : last + WINDOW])
        measured = self._value(after)
        if measured is not None:
            return measured
        cues = [(len(before) - end, kind) for _, end, kind in self._cues(before)]
        cues += [(start, kind) for start, _, kind in self._cues(after)]
        # Another analyte is the weakest cue: "treatment with magnesium and potassium".
        cues.sort(key=lambda cue: (cue[1] == ANALYTE, cue[0]))
        return bool(cues) and cues[0][1] in _LABORATORY

    def _value(self, after: list[str]) -> bool | None:
        """Whether the text continues with a measured value (True), a dose (False), or neither."""
        start = 0
        while start < len(after) and not after[start].isdigit():
            if after[start] not in _SIGNS and self._kind_at(after, start) != BETWEEN:
                return None
            start += 1
        end = start
        while end < len(after) and (after[end].isdigit() or after[end] in _SIGNS):
            end += 1
        # A percentage may be a measured value or the strength of a solution.
        if end == start or after[end : end + 1] == ["%"]:
            return None
        return self._kind_at(after, end) not in _TREATMENT

    def _kind_at(self, folded: Sequence[str], start: int) -> str:
        """The kind of the longest rule that starts at a piece, or ""."""
        for first, _, rules in self._rules.find(folded[start:]):
            return rules[0].label if first == 0 else ""
        return ""

    def _cues(self, folded: Sequence[str]) -> Iterator[tuple[int, int, str]]:
        """The first piece, the piece after the last, and the kind of each cue."""
        end_of_last = 0
        for start, end, rules in self._rules.find(folded):
            if start >= end_of_last:
                end_of_last = end
                if rules[0].label != BETWEEN:
                    yield start, end, rules[0].label


def own_sentence(folded: Sequence[str]) -> list[str]:
    """The pieces before the end of the sentence."""
    return list(takewhile(lambda piece: piece not in _SENTENCE_END, folded))


@lru_cache(maxsize=8)
def laboratory(lang: str) -> Laboratory:
    """The rules of a language, or of all languages for one without rules, such as "xx"."""
    return Laboratory(resources(lang, RULES_FILE))


def _read(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in islice(enumerate(read_texts(path), 1), 1, None):
        name, _, kind = line.rstrip("\r\n").partition("\t")
        if kind not in KINDS or not pieces(name):
            raise CardionerError(
                f"{path}:{number}: needs a name, a tab, and one of {', '.join(KINDS)}"
            )
        yield name, kind
