"""Evaluate predictions in files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from spacy_cardioner import brat, layout
from spacy_cardioner.errors import CardionerError, listed
from spacy_cardioner.evaluation.calibration import Calibration, calibrations, read_scored
from spacy_cardioner.evaluation.matching import relabelled
from spacy_cardioner.evaluation.scores import Comparison, Report, compare, score
from spacy_cardioner.evaluation.sources import Source, align, read_annotations, read_gold, remarks
from spacy_cardioner.evaluation.unseen import Name, Recalls, Training, recalls, words_in, words_of
from spacy_cardioner.folders import Documents
from spacy_cardioner.texts import read_texts


@dataclass(frozen=True)
class Evaluation:
    """The results for a set of predictions.

    remarks (list[str]): What was ignored, assumed or changed, in sentences.
    calibration (Mapping[str, Calibration] | None): By label, if there are scores.
    names (Mapping[str, Recalls] | None): The recall on seen and unseen names by label, if the
        training texts are known.
    """

    report: Report
    comparison: Comparison | None
    remarks: list[str]
    calibration: Mapping[str, Calibration] | None = None
    names: Mapping[str, Recalls] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The results as JSON-serialisable data, with the entries of the report at the top."""
        data = asdict(self)
        for optional in ("calibration", "names"):
            if data[optional] is None:
                del data[optional]
        return {**data.pop("report"), **data}


class Task(NamedTuple):
    """The predictions of a run for a label in a language, and where the gold annotations are."""

    label: str
    lang: str
    gold: Sequence[Path]
    pred: Path


def evaluate(
    gold: Path | Source,
    pred: Path,
    *,
    other: Path | None = None,
    scored: Path | None = None,
    training: Training | Sequence[Path] = (),
    documents: Collection[str] | None = None,
    rename: Mapping[str, str] | None = None,
    labels: Collection[str] | None = None,
    resamples: int = 1000,
    seed: int = 13,
    lenient: bool = False,
) -> Evaluation:
    """Score predictions against gold annotations. Both are a BRAT folder, a TSV or a JSONL.

    gold (Path | Source): A source is not renamed.
    other (Path | None): Other predictions to compare `pred` with.
    scored (Path | None): The predictions with scores, see `read_scored`, for the calibration.
    training (Training | Sequence[Path]): What the pipeline was trained on, also as BRAT folders and
        TSVs, for the recall on seen and unseen names.
    rename (Mapping[str, str] | None): New labels by the old ones, in all of these.
    documents, labels (Collection[str] | None): What to score, after renaming. Default: all.
    lenient (bool): Skip and count malformed input, and predictions for documents without gold.
    RAISES (CardionerError): The input is invalid, or nothing in it has one of the labels.
    """
    paths = [gold, pred] if other is None else [gold, pred, other]
    sources = [
        path
        if isinstance(path, Source)
        else read_annotations(path, documents=documents, rename=rename, lenient=lenient)
        for path in paths
    ]
    gold_source, *pred_sources = sources
    if unknown := sorted(set(documents or ()) - set(gold_source.entities)):
        lacking = listed(unknown, "document")
        raise CardionerError(f"{gold_source.path}: does not have {lacking} to score.")
    wanted, found = align(gold_source, pred_sources, lenient=lenient)
    present = set().union(*(source.labels for source in sources))
    brat.check_labels(present, rename or {}, labels)
    made = None if scored is None else relabelled(read_scored(scored), rename or {})
    trained = training if isinstance(training, Training) else training_in(training, lenient)
    settings: dict[str, Any] = {"labels": labels, "resamples": resamples, "seed": seed}
    said = [line for source in pred_sources for line in remarks(gold_source, source, labels)]
    return Evaluation(
        report=score(wanted, found[0], **settings),
        comparison=None if other is None else compare(wanted, *found, **settings),
        remarks=list(dict.fromkeys(said)),
        calibration=None if made is None else calibrations(gold_source.entities, made, labels),
        names=recalls(wanted, found[0], trained, labels) if trained.texts else None,
    )


def evaluate_run(
    corpora: Sequence[Path], run: Path, lang: str, *, unseen: bool = False, **settings: Any
) -> Iterator[tuple[Task, Evaluation]]:
    """Score the predictions of a cross-validation, for each label of each language.

    corpora (Sequence[Path]): Published corpora, see `spacy_cardioner.layout`.
    run (Path): A folder with a TSV for each language and ``documents.txt``.
    unseen (bool): Also compute the recall on seen and unseen names: those in general cases and in
        the notes of other folds, in all languages of the run, and the others.
    YIELDS (tuple[Task, Evaluation]): The scores in the documents in which the label was annotated.
    RAISES (CardionerError): The input is invalid, or no document was annotated with a label.
    """
    documents = read_names(run / "documents.txt")
    settings["training"] = trainings_of_runs(corpora, [run], lang)[0] if unseen else ()
    for language in layout.languages_of(lang):
        folders = layout.find(corpora, language, layout.SPLIT)
        for label, gold in read_gold(folders, documents=documents).items():
            places = [f.annotations for f in folders if label in (f.labels or ())]
            task = Task(label, language, places, run / f"{language}.tsv")
            scored = set(gold.entities)
            done = evaluate(gold, task.pred, documents=scored, labels=[label], **settings)
            if left := sorted(documents - scored):
                named = listed(left, "document")
                remark = f"Not scored, without gold annotations of {label} {language}: {named}."
                done = replace(done, remarks=[*done.remarks, remark])
            yield task, done


def training_in(paths: Sequence[Path], lenient: bool = False) -> Training:
    """What a pipeline was trained on, from its gold annotations."""
    texts: dict[str, list[Name]] = {}
    for path in paths:
        for name, pieces in words_in(read_annotations(path, lenient=lenient)).items():
            texts.setdefault(name, []).extend(pieces)
    return Training(texts)


def trainings_of_runs(corpora: Sequence[Path], runs: Sequence[Path], lang: str) -> list[Training]:
    """What the pipelines of each run were trained on: all but the documents of their fold."""
    from spacy_cardioner.evaluation.held_out import read_run_folds  # spaCy is slow to import

    texts: dict[str, list[Name]] = {}
    langs = layout.languages_of(lang)
    named = {place: Documents(separate=True) for place in product(layout.PARTS, langs)}
    for folder in layout.find(corpora, lang):
        for note in folder.notes(lenient=True):
            name = named[folder.part, folder.lang].name(note, folder, [])
            texts[f"{folder.part}/{folder.lang}/{name}"] = [words_of(note.text)]
    trainings = []
    for run in runs:
        held_out = {}
        for fold in read_run_folds(run):
            ours = {f"{layout.SPLIT}/{language}/{name}" for language in langs for name in fold}
            held_out.update(dict.fromkeys(fold, ours))
        trainings.append(Training(texts, held_out))
    return trainings


def read_names(path: Path) -> set[str]:
    """Read document names, one per line. RAISES (CardionerError): The file cannot be read."""
    return {line.rstrip("\r\n") for line in read_texts(path)} - {""}
