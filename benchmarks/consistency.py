"""Whether a mention found once in a note is one wherever the same words stand in it.

Usage: python benchmarks/consistency.py GOLD PREDICTIONS.jsonl LABEL

GOLD is a BRAT folder, PREDICTIONS what was found in its notes, with scores, such as the
`predictions-LANG.jsonl` of `cardioner experiments`. Printed is the strict micro F1 of the
predictions; then of those and all further places in the same note where the words of a mention of
at least some probability stand, whole words, in whatever case; and the 95 % interval of the
difference.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from spacy_cardioner.brat import Entity
from spacy_cardioner.evaluation.calibration import ScoredEntity, read_scored
from spacy_cardioner.evaluation.scores import compare
from spacy_cardioner.evaluation.sources import read_annotations

PROBABILITIES = (0.5, 0.9, 0.97)
# Shorter ones are mostly abbreviations, which also stand for something else.
LEAST_CHARACTERS = 4


def everywhere(text: str, scored: Iterable[ScoredEntity], least: float) -> Iterator[Entity]:
    """The entities, and where the words of a probable one stand again; longer mentions first."""
    entities = [entity for entity, _ in scored]
    yield from entities
    taken = {place for entity in entities for place in range(entity.start, entity.end)}
    likely = {entity.text.lower(): entity for entity, score in scored if score >= least}
    for words, entity in sorted(likely.items(), key=lambda item: -len(item[0])):
        if len(words) < LEAST_CHARACTERS:
            continue
        for match in re.finditer(rf"(?<!\w){re.escape(words)}(?!\w)", text, re.IGNORECASE):
            places = set(range(*match.span()))
            if taken.isdisjoint(places):
                taken |= places
                yield Entity(*match.span(), entity.label, match.group())


def main() -> None:
    """Print a row for each least probability."""
    parser = argparse.ArgumentParser(description="See the top of this file.")
    parser.add_argument("gold", type=Path)
    parser.add_argument("predictions", type=Path)
    parser.add_argument("label")
    args = parser.parse_args()
    source, scored = read_annotations(args.gold), read_scored(args.predictions)
    if source.texts is None:
        parser.error("GOLD has to be a folder with the texts")
    label = args.label
    found = {n: [each for each in scored[n] if each[0].label == label] for n in source.texts}
    plain = {name: [entity for entity, _ in each] for name, each in found.items()}
    print("| from mentions of at least | F1 | difference (95 %) |\n|---|---|---|")
    for least in PROBABILITIES:
        spread = {n: list(everywhere(source.texts[n], found[n], least)) for n in found}
        done = compare(source.entities, spread, plain, labels=[label])
        low, high = done.interval
        print(
            f"| {least} | {done.first:.4f} | {done.difference:+.4f} ({low:+.4f} to {high:+.4f}) |"
        )


if __name__ == "__main__":
    main()
