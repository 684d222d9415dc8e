"""How many of the errors are mentions that the corpus itself marks in one place and not in another.

Usage: python benchmarks/annotation_noise.py GOLD PREDICTIONS.tsv LABEL

GOLD is a BRAT folder, PREDICTIONS a TSV of the task for its notes. Words are "mostly annotated" if
there are at least half as many mentions with these words, whatever their case, as places where they
stand as whole words, in all notes together. An error on a border overlaps an entity of the other
side.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from spacy_cardioner.brat import Entity
from spacy_cardioner.evaluation.sources import read_annotations

Found = Mapping[str, list[Entity]]


def shares(gold: Found, predicted: Found, texts: Mapping[str, str]) -> dict[str, float]:
    """The share of places that are annotated, for the words of every mention."""
    annotated = Counter(entity.text.lower() for each in gold.values() for entity in each)
    every = "\n".join(texts.values()).lower()
    words = {e.text.lower() for found in (gold, predicted) for each in found.values() for e in each}
    return {
        word: annotated[word] / max(1, len(re.findall(rf"(?<!\w){re.escape(word)}(?!\w)", every)))
        for word in words
    }


def errors(first: Found, second: Found) -> Iterable[tuple[Entity, bool]]:
    """Entities of the first that the second lacks, and whether one of the second overlaps them."""
    for name, entities in first.items():
        others = {entity[:2] for entity in second.get(name, ())}
        for entity in entities:
            if entity[:2] not in others:
                yield entity, any(s < entity.end and entity.start < e for s, e in others)


def main() -> None:
    """Print what kinds of errors there are."""
    parser = argparse.ArgumentParser(description="See the top of this file.")
    parser.add_argument("gold", type=Path)
    parser.add_argument("predictions", type=Path)
    parser.add_argument("label")
    args = parser.parse_args()
    source, pred = read_annotations(args.gold), read_annotations(args.predictions)
    if source.texts is None:
        parser.error("GOLD has to be a folder with the texts")
    gold, predicted = (
        {name: [e for e in each if e.label == args.label] for name, each in found.entities.items()}
        for found in (source, pred)
    )
    share = shares(gold, predicted, source.texts)
    kinds: Counter[tuple[str, str]] = Counter()
    for entity, border in errors(predicted, gold):
        mostly = share[entity.text.lower()] >= 0.5
        kinds["spurious", "border" if border else "mostly annotated" if mostly else "other"] += 1
    for entity, border in errors(gold, predicted):
        mostly = share[entity.text.lower()] >= 0.5
        kinds["missed", "border" if border else "other" if mostly else "mostly not annotated"] += 1
    right = sum(map(len, gold.values())) - sum(
        n for (side, _), n in kinds.items() if side == "missed"
    )
    print(f"right: {right}")
    for (side, kind), number in sorted(kinds.items()):
        print(f"{side}, {kind}: {number}")
    noise = kinds["spurious", "mostly annotated"] + kinds["missed", "mostly not annotated"]
    print(f"not as the same words elsewhere: {noise} of {kinds.total()} errors")


if __name__ == "__main__":
    main()
