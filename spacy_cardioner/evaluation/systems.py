"""What a report is about: gold annotations, and the predictions of one or several systems."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spacy_cardioner import brat, layout
from spacy_cardioner.errors import CardionerError, listed, shown
from spacy_cardioner.evaluation.evaluate import read_names, training_in, trainings_of_runs
from spacy_cardioner.evaluation.matching import Annotations, labels_of
from spacy_cardioner.evaluation.sources import (
    Source,
    align,
    joined,
    read_annotations,
    read_gold,
    remarks,
)
from spacy_cardioner.evaluation.unseen import Training

# A name, and paths of that name.
Named = Mapping[str, Sequence[Path]]


@dataclass(frozen=True)
class Part:
    """The documents of a language and a split.

    split (str): Its name, "" for the only one.
    annotated (Mapping[str, Collection[str]]): The documents in which each label was annotated.
    gold (Annotations): The entities of these labels.
    preds (Sequence[Annotations]): Those of each system, where their label was annotated.
    trainings (Sequence[Training]): What each system was trained on, if that is known.
    texts (Mapping[str, str]): The texts of the documents, if they are known.
    called (Mapping[str, str]): What to call each document.
    """

    lang: str
    split: str
    annotated: Mapping[str, Collection[str]]
    gold: Annotations
    preds: Sequence[Annotations]
    trainings: Sequence[Training]
    texts: Mapping[str, str]
    called: Mapping[str, str]

    @property
    def is_uniform(self) -> bool:
        """Whether all labels were annotated in the same documents, as scores of all need it."""
        return len({frozenset(documents) for documents in self.annotated.values()}) == 1

    def of(self, annotations: Annotations, label: str) -> dict[str, list[Any]]:
        """The entities of a label, in the documents in which it was annotated."""
        return {
            name: [one for one in annotations.get(name, ()) if one.label == label]
            for name in sorted(self.annotated[label])
        }


def read_parts(
    golds: Named,
    preds: Named,
    *,
    lang: str = "",
    documents: Collection[str] | None = None,
    rename: Mapping[str, str] | None = None,
    labels: Collection[str] | None = None,
    training: Sequence[Path] = (),
    lenient: bool = False,
) -> tuple[list[Part], list[str]]:
    """Read gold annotations, a part for each of their names, and the predictions of systems.

    preds (Named): A system may have several files: those of different splits.
    RETURNS (tuple[list[Part], list[str]]): The parts, and remarks as those of `evaluate`.
    RAISES (CardionerError): The input is invalid, or two splits have the same document.
    """
    settings: dict[str, Any] = {"documents": documents, "rename": rename, "lenient": lenient}
    splits = {
        name: joined([read_annotations(p, **settings) for p in golds[name]]) for name in golds
    }
    systems = [
        joined([read_annotations(path, **settings) for path in preds[name]]) for name in preds
    ]
    _check(splits, systems, documents, lenient)
    found = [*splits.values(), *systems]
    brat.check_labels(set().union(*(source.labels for source in found)), rename or {}, labels)
    trained = training_in(training, lenient)
    parts, said = [], list[str]()
    for name, gold in splits.items():
        ours = [_within(source, gold.entities) if len(splits) > 1 else source for source in systems]
        wanted, aligned = align(gold, ours, lenient=lenient)
        scored = sorted(
            set().union(*map(labels_of, [wanted, *aligned])) if labels is None else labels
        )
        part = _part(lang, name, dict.fromkeys(scored, frozenset(wanted)), gold, wanted, aligned)
        parts.append(replace(part, trainings=[trained] * len(systems)))
        said += [line for source in ours for line in remarks(gold, source, labels)]
    return parts, list(dict.fromkeys(said))


def read_runs(
    corpora: Sequence[Path],
    runs: Named,
    lang: str,
    *,
    labels: Collection[str] | None = None,
    lenient: bool = False,
) -> tuple[list[Part], list[str]]:
    """Read the predictions of cross-validations, and the gold annotations of published corpora.

    The documents are those that all runs predicted. For the other arguments, see `read_parts`.

    runs (Named): Folders that `cardioner crossval` wrote, one for each name.
    RAISES (CardionerError): The input is invalid, or the runs have no document in common.
    """
    if several := [name for name, paths in runs.items() if len(paths) > 1]:
        raise CardionerError(f"{several[0]}: with --corpus, each system is one folder")
    folders_of = [paths[0] for paths in runs.values()]
    predicted = [read_names(folder / "documents.txt") for folder in folders_of]
    documents = set.intersection(*predicted)
    if not documents:
        raise CardionerError("The runs have no document in common: there is nothing to compare.")
    parts, said = [], list[str]()
    if left := len(set().union(*predicted)) - len(documents):
        said.append(f"Not scored, as only some of the runs predicted them: {left} documents.")
    trainings = trainings_of_runs(corpora, folders_of, lang)
    for language in layout.languages_of(lang):
        golds = read_gold(
            layout.find(corpora, language, layout.SPLIT), documents=documents, lenient=lenient
        )
        golds = {label: gold for label, gold in golds.items() if labels is None or label in labels}
        if not golds:
            raise CardionerError(f"No label to score was annotated in '{language}'.")
        sources = [
            read_annotations(_predictions(folder, language), documents=documents, lenient=lenient)
            for folder in folders_of
        ]
        for label, gold in golds.items():
            said += [line for source in sources for line in remarks(gold, source, [label])]
            if lacking := sorted(documents - set(gold.entities)):
                named = listed(lacking, "document")
                said.append(f"Not scored, without gold annotations of {label} {language}: {named}.")
        gold = joined(list(golds.values()))
        annotated = {label: frozenset(one.entities) for label, one in golds.items()}
        preds = [source.entities for source in sources]
        part = _part(language, "", annotated, gold, gold.entities, preds)
        parts.append(replace(part, trainings=trainings))
    return parts, list(dict.fromkeys(said))


def _part(
    lang: str,
    split: str,
    annotated: Mapping[str, Collection[str]],
    gold: Source,
    entities: Annotations,
    preds: Iterable[Annotations],
) -> Part:
    """A part, with the entities of the labels that were annotated in their document."""

    def kept(annotations: Annotations) -> dict[str, list[Any]]:
        names = sorted(set().union(*annotated.values()))
        return {
            name: [e for e in annotations.get(name, ()) if name in annotated.get(e.label, ())]
            for name in names
        }

    ours, theirs = kept(entities), [kept(one) for one in preds]
    # The names in a table are ids.
    called = {name: name if gold.texts is not None else shown(name) for name in ours}
    texts = {name: text for name, text in (gold.texts or {}).items() if name in ours}
    return Part(lang, split, annotated, ours, theirs, [], texts, called)


def _predictions(run: Path, lang: str) -> Path:
    """The predictions of a run: those with scores, if it has them."""
    scored = run / f"{lang}.jsonl"
    return scored if scored.is_file() else run / f"{lang}.tsv"


def _check(
    splits: Mapping[str, Source],
    systems: Iterable[Source],
    documents: Collection[str] | None,
    lenient: bool,
) -> None:
    """Check that each document is in one split, and each one that is asked for in any."""
    owner: dict[str, str] = {}
    for name, gold in splits.items():
        if both := sorted(gold.entities.keys() & owner.keys()):
            others = owner[both[0]]
            raise CardionerError(f"{others} and {name}: both have {listed(both, 'document')}.")
        owner |= dict.fromkeys(gold.entities, name)
    if unknown := sorted(set(documents or ()) - owner.keys()):
        raise CardionerError(f"The gold annotations lack {listed(unknown, 'document')} to score.")
    for source in systems:
        strange = sorted(source.entities.keys() - owner.keys())
        if strange and len(splits) > 1 and not lenient:
            raise CardionerError(
                f"{source.path}: predictions for {listed(strange, 'document')} of no split. Give "
                "the gold annotations of all documents, or skip these with --lenient."
            )


def _within(source: Source, documents: Collection[str]) -> Source:
    """A source without other documents than these."""
    entities = {name: of for name, of in source.entities.items() if name in documents}
    texts = source.texts and {name: source.texts[name] for name in entities if name in source.texts}
    return replace(source, entities=entities, texts=texts)
