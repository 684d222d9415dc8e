"""Traits that make mentions hard: their length, how rare they are, what they are made of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from spacy_cardioner.evaluation.mistakes import BORDERS, KINDS, RIGHT, Judged, Judgement
from spacy_cardioner.evaluation.unseen import Name, words_of
from spacy_cardioner.folders import ALIASES
from spacy_cardioner.gazetteer.abbreviations import abbreviations
from spacy_cardioner.gazetteer.clean import without_strength
from spacy_cardioner.gazetteer.laboratory import laboratory
from spacy_cardioner.gazetteer.normalise import pieces, split_combination
from spacy_cardioner.spans import Entity

DRUG = "FARMACO"
# Traits by their group. Those of a group exclude each other, but for the last, "made of".
LENGTHS = {1: "1 word", 2: "2 words", 3: "3 words", 6: "4 to 6 words", 10**9: "7 or more words"}
FREQUENCIES = {
    0: "not in the gold",
    1: "once in the gold",
    5: "2 to 5 times",
    20: "6 to 20 times",
    10**9: "more than 20 times",
}
ABBREVIATION, COORDINATION, NESTED = "with an abbreviation", "coordination", "nested"
SEVERAL, DOSE, ANALYTE, SIGNS = "several substances", "with a dose", "analyte", "digits or signs"
GROUPS: Mapping[str, tuple[str, ...]] = {
    "length": tuple(LENGTHS.values()),
    "frequency of the name": tuple(FREQUENCIES.values()),
    "made of": (ABBREVIATION, COORDINATION, NESTED, SIGNS, DOSE, SEVERAL, ANALYTE),
}
# What the error analyses of systems for MultiCardioNER name, for drugs.
PUBLISHED = {
    "drugs with digits or signs": SIGNS,
    "drugs with a dose in the mention": DOSE,
    "combined drugs": SEVERAL,
    "analytes, which laboratories measure": ANALYTE,
}
ONLY_DOSE, PART = "they differ by a dose", "one is a part of a combination"
INCOMPLETE, TOO_LONG = "the prediction is incomplete", "the prediction is too long"
DIFFERENCES = (INCOMPLETE, TOO_LONG, ONLY_DOSE, PART)

_CAPITALS = re.compile(
    r"(?<![^\W_])(?:[A-ZÀ-ÖØ-Þ]{2,6}s?|[A-ZÀ-ÖØ-Þ][a-zß-öø-ÿ]?[A-ZÀ-ÖØ-Þ]+\w{0,3})(?![^\W_])"
)
_COORDINATED = re.compile(
    r"\s(?:y|e|o|u|ni|and|or|nor|ed|od|né)\s|,(?!\d)|;|[^\W\d]\s*/\s*[^\W\d]", re.IGNORECASE
)
_SIGN = re.compile(r"[^\s\w]|\d")


class Traits:
    """The traits of mentions in a corpus.

    names (Counter[Name]): How often each name is a gold entity.
    """

    def __init__(self, gold: Mapping[str, Iterable[Entity]], lang: str) -> None:
        """Count the names of the gold entities of one label. lang (str): "" if unknown."""
        self.names: Counter[Name] = Counter(
            words_of(one.text) for entities in gold.values() for one in entities
        )
        self.laboratory = laboratory(lang)
        self.abbreviations = abbreviations(lang)

    def of(self, entity: Entity, beside: Iterable[Entity] = ()) -> list[str]:
        """The traits of a mention.

        beside (Iterable[Entity]): The entities of its side in its document.
        """
        name = words_of(entity.text)
        number, times = len(entity.text.split()), self.names[name]
        found = [next(text for most, text in LENGTHS.items() if number <= most)]
        found.append(next(text for most, text in FREQUENCIES.items() if times <= most))
        if self._is_abbreviated(entity):
            found.append(ABBREVIATION)
        if _COORDINATED.search(entity.text):
            found.append(COORDINATION)
        around = (other for other in beside if other[:2] != entity[:2])
        if any(_within(entity, other) or _within(other, entity) for other in around):
            found.append(NESTED)
        return found + (self._of_drug(entity.text) if is_drug(entity.label) else [])

    def _is_abbreviated(self, entity: Entity) -> bool:
        short = _CAPITALS.search(entity.text) and not entity.text.isupper()
        alone = entity.text.isupper() and len(entity.text) <= 6
        return bool(short or alone or self.abbreviations.meanings(entity.text, entity.label))

    def _of_drug(self, text: str) -> list[str]:
        signs = {
            SIGNS: _SIGN.search(text),
            DOSE: has_dose(text),
            SEVERAL: len(split_combination(text)) > 1,
            ANALYTE: self.laboratory.is_analyte(pieces(text)),
        }
        return [trait for trait, holds in signs.items() if holds]


class Side(NamedTuple):
    """The entities of one side with a trait: how many, how many of them right, and the others by
    their kind.
    """

    number: int
    right: int
    share: float
    kinds: dict[str, int]


class Row(NamedTuple):
    """The gold entities with a trait, whose share is the recall; the predictions, precision."""

    gold: Side
    predicted: Side


def by_trait(judged: Judgement, traits: Traits) -> dict[str, Row]:
    """Count the entities of one label by trait. RETURNS: By trait, in the order of `GROUPS`."""
    gold, pred = (_by_trait(side, traits) for side in judged)
    order = [trait for group in GROUPS.values() for trait in group]
    return {
        trait: Row(side(gold.get(trait, ())), side(pred.get(trait, ())))
        for trait in order
        if trait in gold or trait in pred
    }


def side(judged: Iterable[Judged]) -> Side:
    """Count the entities of one side."""
    kinds = Counter(one.kind for one in judged)
    number, right = kinds.total(), kinds.pop(RIGHT, 0)
    ordered = {kind: kinds[kind] for kind in KINDS if kind in kinds}
    return Side(number, right, right / number if number else 0.0, ordered)


def differences(judged: Judgement) -> dict[str, int]:
    """How the wrong boundaries differ from the right ones: gold entities of one label, by the
    `DIFFERENCES` that hold, and under "all".
    """
    found = Counter({"all": 0, **dict.fromkeys(DIFFERENCES, 0)})
    for one in judged.gold:
        if one.kind in BORDERS:
            found["all"] += 1
            found.update(_differences(one.entity, one.others[0]))
    return dict(found)


def is_drug(label: str) -> bool:
    """Whether a label is that of drugs, in the names that corpora have for it."""
    return DRUG in (label, ALIASES.get(label.upper()))


def has_dose(text: str) -> bool:
    """Whether a mention of a drug holds a dose or form after its name."""
    return bool(re.search(r"\d", text)) and words_of(without_strength(text)) != words_of(text)


def _differences(gold: Entity, pred: Entity) -> Iterable[str]:
    if _within(gold, pred):
        yield INCOMPLETE
    elif _within(pred, gold):
        yield TOO_LONG
    shorter, longer = sorted((gold.text, pred.text), key=len)
    if is_drug(gold.label):
        if has_dose(longer) and words_of(without_strength(longer)) == words_of(shorter):
            yield ONLY_DOSE
        if len(split_combination(longer)) > len(split_combination(shorter)):
            yield PART


def _within(outer: Entity, inner: Entity) -> bool:
    """Whether an entity lies in another, or is equal to it."""
    return outer.start <= inner.start and inner.end <= outer.end


def _by_trait(judged: Iterable[Judged], traits: Traits) -> dict[str, list[Judged]]:
    of_document: dict[str, list[Entity]] = {}
    listed = list(judged)
    for one in listed:
        of_document.setdefault(one.document, []).append(one.entity)
    found: dict[str, list[Judged]] = {}
    for one in listed:
        for trait in traits.of(one.entity, of_document[one.document]):
            found.setdefault(trait, []).append(one)
    return found
