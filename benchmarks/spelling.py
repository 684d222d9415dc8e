"""Strict F1 of a pipeline in ordinary spelling, in capitals, in lower case and without accents.

Usage: python benchmarks/spelling.py PIPELINE [FOLDER ...] [--lang LANG] [--run]

PIPELINE is a name or a folder. FOLDERs are BRAT folders, by default those of the sample notes in
the language; a note with the same name in several folders has the entities of all. With --run,
PIPELINE is a folder that `cardioner crossval` wrote: the pipeline of each trained fold annotates
the notes that it never saw.
"""

from __future__ import annotations

import argparse
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from spacy_cardioner import layout
from spacy_cardioner.batch.mentions import doc_entities
from spacy_cardioner.evaluation.held_out import (
    PIPELINE,
    fold_folder,
    read_run_folds,
    trained_folds,
)
from spacy_cardioner.evaluation.scores import score
from spacy_cardioner.evaluation.sources import read_annotations
from spacy_cardioner.loading import load_pipeline
from spacy_cardioner.spans import Entity

SAMPLE = Path(__file__).parent.parent / "assets/sample"

Notes = dict[str, str]
Found = dict[str, list[Entity]]


def letters(change: Callable[[str], str]) -> Callable[[str], str]:
    """Change each letter, if it remains one letter: offsets stay as they are."""

    def changed(text: str) -> str:
        new = ((letter, change(letter)) for letter in text)
        return "".join(other if len(other) == 1 else letter for letter, other in new)

    return changed


def without_accent(letter: str) -> str:
    return unicodedata.normalize("NFD", letter)[0]


SPELLINGS: Mapping[str, Callable[[str], str]] = {
    "ordinary": str,
    "capitals": letters(str.upper),
    "lower case": letters(str.lower),
    "without accents": letters(without_accent),
    "capitals without accents": letters(lambda letter: without_accent(letter).upper()),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pipeline")
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--lang", default="es", help="language of the sample notes [es]")
    parser.add_argument("--run", action="store_true", help="PIPELINE is a cross-validated run")
    return parser.parse_args()


def parts(args: argparse.Namespace, notes: Notes) -> Iterator[tuple[Path | str, list[str]]]:
    """The pipelines, and the names of the notes that each annotates."""
    if not args.run:
        yield args.pipeline, list(notes)
        return
    run = Path(args.pipeline)
    folds = read_run_folds(run)
    for fold in trained_folds(run):
        yield fold_folder(run, fold) / PIPELINE, [name for name in folds[fold] if name in notes]


def main() -> None:
    args = arguments()
    folders = args.folders or [one.annotations for one in layout.find([SAMPLE], args.lang)]
    notes: Notes = {}
    gold: Found = {}
    for source in map(read_annotations, folders):
        notes |= source.texts or {}
        for name, entities in source.entities.items():
            gold.setdefault(name, []).extend(Entity(*entity[:3]) for entity in entities)
    found: dict[str, Found] = {spelling: {} for spelling in SPELLINGS}
    for pipeline, names in parts(args, notes):
        nlp = load_pipeline(pipeline)
        for spelling, change in SPELLINGS.items():
            docs = nlp.pipe(change(notes[name]) for name in names)
            for name, doc in zip(names, docs, strict=True):
                found[spelling][name] = [Entity(*mention[:3]) for mention in doc_entities(doc)]
    seen = {name: gold[name] for name in found["ordinary"]}
    labels = sorted({entity.label for entities in seen.values() for entity in entities})
    print(f"{len(seen)} notes, strict F1")
    print("\n| spelling | " + " | ".join(labels) + " |")
    print("|---" * (len(labels) + 1) + "|")
    for spelling, predicted in found.items():
        scores = score(seen, predicted, labels=labels, resamples=1).strict.labels
        print(f"| {spelling} | " + " | ".join(f"{scores[name].f1:.4f}" for name in labels) + " |")


if __name__ == "__main__":
    main()
