"""What stands for a measured value and not for a drug: "sodium 140 mEq/l", "serum iron"."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.gazetteer.lexicon import Lexicon
from spacy_cardioner.gazetteer.normalise import pieces
from spacy_cardioner.gazetteer.patterns import Pattern

RULES_FILE = "analytes.tsv"
ANALYTE, CONTEXT, UNIT = "analyte", "context", "unit"
TREATMENT, DOSE, BETWEEN, DRUG = "treatment", "dose", "between", "drug"
KINDS = (ANALYTE, CONTEXT, UNIT, DRUG, TREATMENT, DOSE, BETWEEN)

_LABORATORY = {ANALYTE, CONTEXT, UNIT}
_TREATMENT = {TREATMENT, DOSE, DRUG}
_SENTENCE_END = {".", "!", "?", "…", "\n"}
# How many pieces of text are looked at before a name and after it.
_WINDOW = 10
# Signs that may stand between a name and its value, and within a value such as "3,5 - 5".
_SIGNS = set(":=(<>≤≥≈~±,-[/x×^*")
# A share is as likely a measured value as the strength of a solution.
_UNTOLD = {"%"}


class Laboratory:
    """Rules that tell measured values from drugs, for one language or several.

    ``analytes`` are names of what laboratories measure that may be drugs as well. Of a drug whose
    level is measured, such as digoxin, the rules say that it is a drug all the same.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        """Read the rules.

        paths (Sequence[Path]): Tables with the columns name and kind, see docs/gazetteer.md.
        RAISES (CardionerError): A table cannot be read.
        """
        rules = [rule for path in paths for rule in _read(path)]
        # The kind of a rule stands where names of the gazetteer have their label.
        self._rules = Lexicon(Pattern(name, label=kind) for name, kind in rules)
        self._analytes = {" ".join(pieces(name)) for name, kind in rules if kind == ANALYTE}

    def is_analyte(self, folded: Sequence[str]) -> bool:
        """Whether a name, given by its pieces, is that of an analyte."""
        return " ".join(folded) in self._analytes

    def is_context(self, folded: Sequence[str], first: int, last: int) -> bool:
        """Whether a name stands in a laboratory context.

        A value with a laboratory's unit says so, or a value without a unit; a dose says the
        opposite. Without either, the nearest word around the name tells, such as "serum" and
        "levels", or "treatment" and "infusion"; and where there is none, another analyte does.

        folded (Sequence[str]): The pieces of the text, see `normalise.pieces`.
        first (int): The first piece of the name.
        last (int): The piece after its last.
        RETURNS (bool): Whether it does.
        """
        before = _own_sentence(folded[max(0, first - _WINDOW) : first][::-1])[::-1]
        after = _own_sentence(folded[last : last + _WINDOW])
        measured = self._value(after)
        if measured is not None:
            return measured
        cues = [(len(before) - end, kind) for _, end, kind in self._cues(before)]
        cues += [(start, kind) for start, _, kind in self._cues(after)]
        # Another analyte tells less: "treatment with magnesium and potassium".
        cues.sort(key=lambda cue: (cue[1] == ANALYTE, cue[0]))
        return bool(cues) and cues[0][1] in _LABORATORY

    def _value(self, after: Sequence[str]) -> bool | None:
        """Whether a value that is measured follows; False for a dose, None for neither."""
        start = 0
        while start < len(after) and not after[start].isdigit():
            if after[start] not in _SIGNS and self._kind_at(after, start) != BETWEEN:
                return None
            start += 1
        end = start
        while end < len(after) and (after[end].isdigit() or after[end] in _SIGNS):
            end += 1
        if end == start or after[end:] and after[end] in _UNTOLD:
            return None
        return self._kind_at(after, end) not in _TREATMENT

    def _kind_at(self, folded: Sequence[str], start: int) -> str:
        """The kind of the longest rule that starts at a piece, "" where none does."""
        for first, _, rules in self._rules.find(folded[start:]):
            return rules[0].label if first == 0 else ""
        return ""

    def _cues(self, folded: Sequence[str]) -> Iterator[tuple[int, int, str]]:
        """First piece, piece after the last, and kind of what tells values from drugs."""
        end_of_last = 0
        for start, end, rules in self._rules.find(folded):
            if start >= end_of_last:
                end_of_last = end
                if rules[0].label != BETWEEN:
                    yield start, end, rules[0].label


def _own_sentence(folded: Sequence[str]) -> Sequence[str]:
    """The pieces as far as the sentence goes."""
    for index, piece in enumerate(folded):
        if piece in _SENTENCE_END:
            return folded[:index]
    return folded


@lru_cache(maxsize=8)
def laboratory(lang: str) -> Laboratory:
    """Our rules for a language; for one that has none, such as "xx", those of all languages.

    lang (str): The language's code.
    RETURNS (Laboratory): The rules.
    """
    folder = Path(str(files("spacy_cardioner"))) / "resources"
    own = folder / lang / RULES_FILE
    return Laboratory([own] if own.is_file() else sorted(folder.glob(f"*/{RULES_FILE}")))


def _read(path: Path) -> Iterator[tuple[str, str]]:
    """The names of a table with their kinds."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CardionerError(f"{path}: cannot be read: {error}") from error
    for number, line in enumerate(lines[1:], 2):
        name, tab, kind = line.partition("\t")
        if kind not in KINDS or not pieces(name):
            raise CardionerError(
                f"{path}:{number}: needs a name and, after a tab, one of {', '.join(KINDS)}"
            )
        yield name, kind
