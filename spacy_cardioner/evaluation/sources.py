"""Gold and predictions as they lie on disk, brought to the same documents.

A BRAT folder lists every document. The task's TSV lists entities only, so that a document without
one cannot be seen in it. With such a gold, documents that only the predictions know are taken for
documents without a gold entity. Documents that neither knows hold nothing to count: no figure would
change by them. So the figures over all documents are right if all predictions are for documents of
the gold's corpus, and that cannot be checked; the report says how many are taken on trust.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from spacy_cardioner import brat
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.evaluation.matching import Annotations, labels_of
from spacy_cardioner.spans import Entity


@dataclass(frozen=True)
class Source:
    """What a BRAT folder or a TSV says.

    entities (Mapping[str, list[Entity]]): By document.
    texts (Mapping[str, str] | None): The documents of a folder; None for a TSV, which has no texts.
    counts (Mapping[str, int]): What was joined, trimmed, dropped or skipped in reading.
    """

    path: Path
    entities: Mapping[str, list[Entity]]
    texts: Mapping[str, str] | None
    counts: Mapping[str, int]

    def restrict(self, documents: Collection[str]) -> Source:
        """The same for some documents alone."""
        texts = self.texts
        return replace(
            self,
            entities={name: found for name, found in self.entities.items() if name in documents},
            texts=None if texts is None else {n: t for n, t in texts.items() if n in documents},
        )


def read_annotations(path: Path, *, lenient: bool = False) -> Source:
    """Read a folder of .txt and .ann files, or the task's TSV.

    A TSV has spaces where the text has line ends and tabs. So that texts can be compared, white
    space inside a mention is one space here, from either source.

    lenient (bool): Skip and count what is malformed.
    RAISES (CardionerError): There is no such path, or what is there is malformed.
    """
    changes: list[brat.Change] = []
    found: dict[str, list[Entity]] = {}
    texts: dict[str, str] | None = None
    if path.is_dir():
        texts = {}
        notes = brat.read_folder(path, lenient=lenient, changes=changes)
        for note in tqdm(notes, desc=f"reading {path.name}", unit=" notes", delay=2, disable=None):
            found[note.name] = brat.entities(note, changes=changes)
            texts[note.name] = note.text
            if not note.annotated:
                changes.append(brat.Change("without .ann", note.name))
    elif path.is_file():
        found = brat.read_tsv(path, lenient=lenient, changes=changes)
    else:
        raise CardionerError(f"{path}: no such folder or file. Give a BRAT folder or a TSV.")
    spelled = {name: [_spelled(entity) for entity in each] for name, each in found.items()}
    return Source(path, spelled, texts, Counter(change.kind for change in changes))


def align(
    gold: Source, predictions: Sequence[Source], *, lenient: bool = False
) -> tuple[Annotations, list[Annotations]]:
    """Bring gold and predictions to the same documents, as `score` and `compare` want them.

    lenient (bool): Leave out predictions for documents that a gold folder does not have.
    RETURNS (tuple): The gold with all documents, and each of the predictions.
    RAISES (CardionerError): There are such predictions, and it is not lenient.
    """
    documents = set(gold.entities)
    for pred in predictions:
        unknown = sorted(set(pred.entities) - set(gold.entities))
        if gold.texts is None:
            documents.update(unknown)
        elif unknown and not lenient:
            raise CardionerError(
                f"{pred.path}: predictions for {_named(unknown)} that {gold.path} does not have. "
                "Give the gold of all documents, or leave these out with --lenient."
            )
    ordered = sorted(documents)
    kept: list[Annotations] = [
        {name: source.entities.get(name, []) for name in ordered} for source in (gold, *predictions)
    ]
    return kept[0], kept[1:]


def remarks(gold: Source, pred: Source, labels: Collection[str] | None = None) -> list[str]:
    """What a person should know before believing the figures, a sentence or two for each thing.

    labels (Collection[str] | None): The labels that are scored, as for `score`.
    """
    extra = sorted(set(pred.entities) - set(gold.entities))
    missing = sorted(set(gold.entities) - set(pred.entities))
    scored = labels_of(pred.entities) if labels is None else set(labels)
    strange = sorted(scored & labels_of(pred.entities) - labels_of(gold.entities))
    found = []
    if gold.texts is None:
        found.append(f"{gold.path} is a TSV, which does not list documents without an entity.")
    if gold.texts is None and extra:
        found.append(f"Taken for such, as only {pred.path} has them: {_named(extra)}.")
    elif extra:
        found.append(f"Left out, as only {pred.path} has them: {_named(extra)}.")
    if missing and pred.texts is not None:
        found.append(f"Without predictions, as {pred.path} lacks them: {_named(missing)}.")
    if differ := _different_texts(gold, pred):
        found.append(
            f"The texts in {gold.path} and {pred.path} differ, so that offsets may not compare: "
            f"{_named(differ)}."
        )
    if strange:
        found.append(
            f"No gold entity is labelled {', '.join(strange)}: all such predictions count as "
            "wrong. Choose the labels to score with --only."
        )
    for source in (gold, pred):
        if source.counts:
            counts = ", ".join(f"{name} {count}" for name, count in sorted(source.counts.items()))
            found.append(f"Reading {source.path}: {counts}.")
    return found


def _different_texts(gold: Source, pred: Source) -> list[str]:
    ours, theirs = gold.texts or {}, pred.texts or {}
    return sorted(name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name])


def _spelled(entity: Entity) -> Entity:
    return entity._replace(text=" ".join(entity.text.split()))


def _named(documents: Sequence[str]) -> str:
    """How many documents these are, and the names of the first."""
    number = "1 document" if len(documents) == 1 else f"{len(documents)} documents"
    return f"{number} ({', '.join(documents[:5])}{', ...' * (len(documents) > 5)})"
