"""Measure a projection against gold annotations of the translations.

Usage: python benchmarks/projection.py PROJECTED --gold FOLDER [--gold FOLDER ...]

PROJECTED is a folder that `cardioner project` wrote, each FOLDER has gold annotations of some of
its notes. Prints, for each label, the share of the mentions that were carried, and the strict and
overlapping scores on the notes with gold of the label: all, the half on which the rules were tuned
(the SHA-256 of the note's name is even), and the other half.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import srsly
from wasabi.tables import table

from spacy_cardioner import brat
from spacy_cardioner.evaluation.matching import count
from spacy_cardioner.folders import Folder
from spacy_cardioner.spans import Entity

HEADER = ("label", "carried", "notes", "strict P", "R", "F1", "overlapping P", "R", "F1")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("projected", type=Path)
    parser.add_argument("--gold", type=Path, action="append", required=True)
    return parser.parse_args()


def entities(folder: Path) -> dict[str, list[Entity]]:
    return {note.name: brat.entities(note) for note in brat.read_folder(folder)}


def tuned_on(name: str) -> bool:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2 == 0


def figures(gold: dict[str, list[Entity]], found: dict[str, list[Entity]], label: str) -> list[str]:
    """Precision, recall and F1, strict and overlapping."""
    counts = count(gold, {name: found[name] for name in gold}, [label]).sum(0)[:2, 0]
    return [
        f"{value:.4f}"
        for ours, theirs, right in counts
        for value in (right / theirs, right / ours, 2 * right / (ours + theirs))
    ]


def main() -> None:
    args = arguments()
    found = entities(args.projected)
    carried = srsly.read_json(args.projected / "result.json")["labels"]
    gold: dict[str, dict[str, list[Entity]]] = {}
    for path in args.gold:
        notes = entities(path)
        for label in Folder(path, path).count_labels():
            known = gold.setdefault(label, {})
            known.update({name: notes[name] for name in notes if name in found})
    rows = []
    for label, notes in sorted(gold.items()):
        halves = {
            "all": notes,
            "tuned on": {name: notes[name] for name in notes if tuned_on(name)},
            "others": {name: notes[name] for name in notes if not tuned_on(name)},
        }
        for half, some in halves.items():
            if some:
                share = f"{carried[label]['share']:.4f}"
                rows.append((label, share, f"{half}: {len(some)}", *figures(some, found, label)))
    print(table(rows, header=HEADER, divider=True, aligns=[*"lrlrrrrrr"]))


if __name__ == "__main__":
    main()
