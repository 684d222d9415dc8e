"""Recall on names that occur in the training texts, and on those that do not.

A name is the words of a mention, in lower case and without accents. It is seen if these words stand
one after the other in a training text, or in a mention of it where the texts are not known.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from spacy_cardioner.evaluation.matching import Annotations, labels_of
from spacy_cardioner.evaluation.sources import Source
from spacy_cardioner.gazetteer.normalise import fold

Name = tuple[str, ...]


@dataclass(frozen=True)
class Training:
    """What a pipeline was trained on.

    texts (Mapping[str, Sequence[Name]]): The words of the text and of the mentions of each
        document, see `words_of`.
    held_out (Mapping[str, Collection[str]]): For a scored document, the documents in `texts` that
        its pipeline was not trained on. Default: the one of its name.
    """

    texts: Mapping[str, Sequence[Name]]
    held_out: Mapping[str, Collection[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Recall:
    """The number of gold entities, how many of them are found, and their share."""

    gold: int
    right: int
    recall: float


@dataclass(frozen=True)
class Recalls:
    """The strict recall on entities with seen and with unseen names."""

    seen: Recall
    unseen: Recall


def words_in(source: Source) -> dict[str, list[Name]]:
    """The words of the text of each document, and of its mentions."""
    texts = source.texts or {}
    return {
        name: [words_of(text) for text in (texts.get(name, ""), *(one.text for one in entities))]
        for name, entities in source.entities.items()
    }


def recalls(
    gold: Annotations,
    pred: Annotations,
    training: Training,
    labels: Collection[str] | None = None,
) -> dict[str, Recalls]:
    """The strict recall on entities with seen and with unseen names, by label."""
    names = {words_of(one.text) for entities in gold.values() for one in entities}
    where = occurrences(training.texts, names)
    counts: Counter[tuple[str, bool, bool]] = Counter()
    for document, entities in gold.items():
        held_out = training.held_out.get(document, (document,))
        ours = Counter(entity[:4] for entity in entities)
        right = ours & Counter({entity[:4] for entity in pred.get(document, ())})
        for entity, number in ours.items():
            seen = not where[words_of(entity[3])].issubset(held_out)
            counts[entity[2], seen, True] += right[entity]
            counts[entity[2], seen, False] += number - right[entity]
    return {
        label: Recalls(*(_recall(counts, label, seen) for seen in (True, False)))
        for label in sorted(labels_of(gold) if labels is None else labels)
    }


def words_of(text: str) -> Name:
    """The words of a text or mention, in lower case and without accents."""
    return tuple(re.findall(r"\w+", fold(text)))


def occurrences(
    texts: Mapping[str, Iterable[Name]], names: Collection[Name]
) -> dict[Name, set[str]]:
    """The documents in which each name occurs, as whole words one after the other."""
    found: dict[Name, set[str]] = {name: set() for name in names}
    lengths: dict[str, set[int]] = {}
    for name in names:
        lengths.setdefault(name[0] if name else "", set()).add(len(name))
    for document, pieces in texts.items():
        for words in pieces:
            for start, word in enumerate(words):
                for length in lengths.get(word, ()):
                    if (name := words[start : start + length]) in found:
                        found[name].add(document)
    return found


def _recall(counts: Mapping[tuple[str, bool, bool], int], label: str, seen: bool) -> Recall:
    right, wrong = counts[label, seen, True], counts[label, seen, False]
    return Recall(right + wrong, right, right / (right + wrong) if right else 0.0)
