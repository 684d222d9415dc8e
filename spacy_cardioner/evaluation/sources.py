"""Read gold annotations and predictions, and align their documents.

A BRAT folder lists all documents, a TSV only those with entities. If the gold annotations are a
TSV, documents that only the predictions have count as documents without a gold entity. This is
correct if they belong to the gold corpus. It cannot be checked, so the report names them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from spacy_cardioner import brat
from spacy_cardioner.errors import CardionerError, listed
from spacy_cardioner.evaluation.matching import Annotations, labels_of, relabelled
from spacy_cardioner.spans import Entity


@dataclass(frozen=True)
class Source:
    """The entities and texts of each document. A TSV has no texts.

    counts (Mapping[str, int]): What was merged, trimmed, repeated or skipped while reading.
    labels (Set[str]): The labels in the files, before renaming.
    """

    path: Path
    entities: Mapping[str, list[Entity]]
    texts: Mapping[str, str] | None
    counts: Mapping[str, int]
    labels: Set[str] = frozenset()


def read_annotations(
    path: Path,
    *,
    documents: Collection[str] | None = None,
    rename: Mapping[str, str] | None = None,
    lenient: bool = False,
) -> Source:
    """Read a BRAT folder or a TSV of the task. An entity is kept each time that it occurs.

    A TSV has spaces for line ends, so any white space inside a mention is replaced with one space.

    documents (Collection[str] | None): The documents to keep. Default: all.
    rename (Mapping[str, str] | None): New labels by the old ones.
    RAISES (CardionerError): The path does not exist, or its contents are malformed.
    """
    changes: list[brat.Change] = []
    found: dict[str, list[Entity]] = {}
    texts: dict[str, str] | None = None
    if path.is_dir():
        texts = {}
        notes = brat.read_folder(path, lenient=lenient, changes=changes)
        for note in tqdm(notes, desc=f"reading {path.name}", unit=" notes", delay=2, disable=None):
            located = brat.located(note, changes=changes)
            found[note.name] = sorted(entity for entity, _ in located)
            texts[note.name] = note.text
            if not note.annotated:
                changes.append(brat.Change("without .ann", note.name))
    elif path.is_file():
        found = brat.read_tsv(path, repeated=True, lenient=lenient, changes=changes)
    else:
        raise CardionerError(f"{path}: no such folder or file. Give a BRAT folder or a TSV.")
    spelled = {
        name: [entity._replace(text=" ".join(entity.text.split())) for entity in entities]
        for name, entities in relabelled(found, rename or {}).items()
        if documents is None or name in documents
    }
    texts = texts and {name: texts[name] for name in spelled}
    counts = Counter(change.kind for change in changes)
    for entities in spelled.values():
        counts["duplicate"] += len(entities) - len({entity[:3] for entity in entities})
    return Source(path, spelled, texts, +counts, labels_of(found))


def align(
    gold: Source, predictions: Sequence[Source], *, lenient: bool = False
) -> tuple[Annotations, list[Annotations]]:
    """Bring gold annotations and predictions to the same documents.

    RAISES (CardionerError): A gold folder lacks a predicted document, and `lenient` is False.
    """
    documents = set(gold.entities)
    for pred in predictions:
        unknown = sorted(set(pred.entities) - set(gold.entities))
        if gold.texts is None:
            documents.update(unknown)
        elif unknown and not lenient:
            raise CardionerError(
                f"{pred.path}: predictions for {_named(unknown, pred)} that {gold.path} does not "
                "have. Give the gold annotations of all documents, or skip these with --lenient."
            )
    ordered = sorted(documents)
    kept: list[Annotations] = [
        {name: source.entities.get(name, []) for name in ordered} for source in (gold, *predictions)
    ]
    return kept[0], kept[1:]


def remarks(gold: Source, pred: Source, labels: Collection[str] | None = None) -> list[str]:
    """What a reader needs to know to interpret the scores, in sentences."""
    extra = sorted(set(pred.entities) - set(gold.entities))
    missing = sorted(set(gold.entities) - set(pred.entities))
    predicted = labels_of(pred.entities)
    scored = predicted if labels is None else predicted & set(labels)
    found = []
    if gold.texts is None:
        found.append(f"{gold.path} is a TSV, which does not list documents without an entity.")
        if extra:
            found.append(f"Counted as such, as only {pred.path} has them: {_named(extra, pred)}.")
    elif extra:
        found.append(f"Ignored, as only {pred.path} has them: {_named(extra, pred)}.")
    if missing and pred.texts is not None:
        found.append(
            f"Without predictions, as {pred.path} does not have them: {_named(missing, gold)}."
        )
    ours, theirs = gold.texts or {}, pred.texts or {}
    if differ := sorted(name for name in ours.keys() & theirs if ours[name] != theirs[name]):
        found.append(
            f"The texts in {gold.path} and {pred.path} differ, so that offsets may not agree: "
            f"{_named(differ, gold)}."
        )
    if strange := sorted(scored - labels_of(gold.entities)):
        found.append(
            f"No gold entity is labelled {', '.join(strange)}: all such predictions count as "
            "wrong. Select the labels to score with --only."
        )
    if "duplicate" in {*gold.counts, *pred.counts}:
        found.append(
            "As in the official scorer, a gold entity counts as often as it occurs "
            f"({gold.path}: {gold.counts.get('duplicate', 0)} repeated), a prediction once."
        )
    for source in (gold, pred):
        if source.counts:
            counts = ", ".join(f"{name} {count}" for name, count in sorted(source.counts.items()))
            found.append(f"Reading {source.path}: {counts}.")
    return found


def _named(documents: Sequence[str], source: Source) -> str:
    """The number of documents, and the first few names if they are names of files."""
    if source.texts is None:
        return listed(documents, "document")
    number = "1 document" if len(documents) == 1 else f"{len(documents)} documents"
    return f"{number} ({', '.join(documents[:5])}{', ...' * (len(documents) > 5)})"
