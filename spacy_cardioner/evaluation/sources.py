"""Read gold annotations and predictions, and align their documents.

A BRAT folder lists all documents, a TSV only those with entities. If the gold annotations are a
TSV, documents that only the predictions have count as documents without a gold entity. This is
correct if they belong to the gold corpus. It cannot be checked, so the report names them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from spacy_cardioner import brat
from spacy_cardioner.errors import CardionerError, listed
from spacy_cardioner.evaluation.calibration import read_scored
from spacy_cardioner.evaluation.matching import Annotations, labels_of, relabelled
from spacy_cardioner.folders import Documents, Folder
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
    """Read a BRAT folder, a TSV of the task, or a JSONL of `cardioner annotate`, which has scores.

    An entity is kept each time that it occurs. A TSV has spaces for line ends, so any white space
    inside a mention is replaced with one space.

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
    elif path.is_file() and ".jsonl" in path.suffixes:
        found = read_scored(path, needed=False)
    elif path.is_file():
        found = brat.read_tsv(path, repeated=True, lenient=lenient, changes=changes)
    else:
        raise CardionerError(
            f"{path}: no such folder or file. Give a BRAT folder, a TSV or a JSONL."
        )
    spelled = {
        name: _spelled(entities)
        for name, entities in relabelled(found, rename or {}).items()
        if documents is None or name in documents
    }
    texts = texts and {name: texts[name] for name in spelled}
    return Source(path, spelled, texts, _counts(spelled, changes), labels_of(found))


def read_gold(
    folders: Iterable[Folder],
    *,
    documents: Collection[str] | None = None,
    lenient: bool = False,
) -> dict[str, Source]:
    """Read the gold annotations of each label in published folders of one part and language.

    Documents are named as in conversions: give the same folders, in the same order.

    documents (Collection[str] | None): The documents to keep. Default: all.
    RETURNS (dict[str, Source]): By label, with the documents in which it was annotated.
    RAISES (CardionerError): A file is malformed.
    """
    named = Documents(separate=True, lenient=lenient)
    found: dict[str, list[Source]] = {}
    for folder in folders:
        changes: list[brat.Change] = []
        texts: dict[str, str] = {}
        entities: dict[str, list[Entity]] = {}
        names: dict[str, str] = {}
        for note in folder.notes(lenient=lenient, changes=changes):
            name = named.name(note, folder, []) or note.name
            texts[name] = named.texts[name]
            of_note = [entity for entity, _ in brat.located(note, changes=changes)]
            entities[name] = [
                e._replace(label=folder.label(e.label, note.name) or "") for e in of_note
            ]
            names[name] = note.name
            if not note.annotated:
                changes.append(brat.Change("without .ann", note.name))
        for label in folder.labels or ():
            of_label = {
                name: _spelled(sorted(one for one in of_note if one.label == label))
                for name, of_note in entities.items()
                if (documents is None or name in documents) and folder.uses(label, names[name])
            }
            counts = _counts(of_label, changes)
            source = Source(folder.annotations, of_label, texts, counts, {label})
            found.setdefault(label, []).append(source)
    return {label: joined(sources) for label, sources in found.items()}


def joined(sources: Sequence[Source]) -> Source:
    """One source of the documents of several."""
    entities: dict[str, list[Entity]] = {}
    texts: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for source in sources:
        texts |= source.texts or {}
        counts.update(source.counts)
        for name, of_note in source.entities.items():
            entities.setdefault(name, []).extend(of_note)
    paths = [source.path for source in sources]
    if len({path.is_absolute() for path in paths}) > 1:
        paths = [path.absolute() for path in paths]
    known = all(source.texts is not None for source in sources)
    labels = set().union(*(source.labels for source in sources))
    path = Path(os.path.commonpath(paths))
    return Source(path, entities, texts if known else None, counts, labels)


def _spelled(entities: Iterable[Entity]) -> list[Entity]:
    return [entity._replace(text=" ".join(entity.text.split())) for entity in entities]


def _counts(entities: Annotations, changes: Iterable[brat.Change]) -> Counter[str]:
    """What reading changed, and how many entities are repeated."""
    counts = Counter(change.kind for change in changes)
    for of_note in entities.values():
        counts["duplicate"] += len(of_note) - len({entity[:3] for entity in of_note})
    return +counts


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
