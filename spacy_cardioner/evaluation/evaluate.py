"""Evaluate predictions in files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from spacy_cardioner import brat, layout
from spacy_cardioner.errors import CardionerError, listed
from spacy_cardioner.evaluation.calibration import Calibration, calibrations, read_scored
from spacy_cardioner.evaluation.matching import relabelled
from spacy_cardioner.evaluation.scores import Comparison, Report, compare, score
from spacy_cardioner.evaluation.sources import align, read_annotations, remarks
from spacy_cardioner.texts import read_texts


@dataclass(frozen=True)
class Evaluation:
    """The results for a set of predictions.

    remarks (list[str]): What was ignored, assumed or changed, in sentences.
    calibration (Mapping[str, Calibration] | None): By label, if there are scores.
    """

    report: Report
    comparison: Comparison | None
    remarks: list[str]
    calibration: Mapping[str, Calibration] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The results as JSON-serialisable data, with the entries of the report at the top."""
        data = asdict(self)
        if data["calibration"] is None:
            del data["calibration"]
        return {**data.pop("report"), **data}


class Task(NamedTuple):
    """The predictions of a run for a label in a language, and where the gold annotations are."""

    label: str
    lang: str
    gold: Path
    pred: Path


def evaluate(
    gold: Path,
    pred: Path,
    *,
    other: Path | None = None,
    scored: Path | None = None,
    documents: Collection[str] | None = None,
    rename: Mapping[str, str] | None = None,
    labels: Collection[str] | None = None,
    resamples: int = 1000,
    seed: int = 13,
    lenient: bool = False,
) -> Evaluation:
    """Score predictions against gold annotations. Both are a BRAT folder or a TSV.

    other (Path | None): Other predictions to compare `pred` with.
    scored (Path | None): The predictions with scores, see `read_scored`, for the calibration.
    rename (Mapping[str, str] | None): New labels by the old ones, in all of these.
    documents, labels (Collection[str] | None): What to score, after renaming. Default: all.
    lenient (bool): Skip and count malformed input, and predictions for documents without gold.
    RAISES (CardionerError): The input is invalid, or nothing in it has one of the labels.
    """
    paths = [pred] if other is None else [pred, other]
    sources = [
        read_annotations(path, documents=documents, rename=rename, lenient=lenient)
        for path in [gold, *paths]
    ]
    gold_source, *pred_sources = sources
    if unknown := sorted(set(documents or ()) - set(gold_source.entities)):
        raise CardionerError(f"{gold}: does not have {listed(unknown, 'document')} to score.")
    wanted, found = align(gold_source, pred_sources, lenient=lenient)
    present = set().union(*(source.labels for source in sources))
    brat.check_labels(present, rename or {}, labels)
    made = None if scored is None else relabelled(read_scored(scored), rename or {})
    settings: dict[str, Any] = {"labels": labels, "resamples": resamples, "seed": seed}
    said = [line for source in pred_sources for line in remarks(gold_source, source, labels)]
    return Evaluation(
        report=score(wanted, found[0], **settings),
        comparison=None if other is None else compare(wanted, *found, **settings),
        remarks=list(dict.fromkeys(said)),
        calibration=None if made is None else calibrations(gold_source.entities, made, labels),
    )


def evaluate_run(
    corpus: Path, run: Path, lang: str, **settings: Any
) -> Iterator[tuple[Task, Evaluation]]:
    """Score the predictions of a cross-validation, for each label of each language.

    corpus (Path): A published corpus, see `spacy_cardioner.layout`.
    run (Path): A folder with a TSV for each language and ``documents.txt``.
    """
    documents = read_names(run / "documents.txt")
    for language in layout.languages_of(lang):
        for label, gold in layout.gold(corpus, language).items():
            task = Task(label, language, gold, run / f"{language}.tsv")
            yield task, evaluate(gold, task.pred, documents=documents, labels=[label], **settings)


def read_names(path: Path) -> set[str]:
    """Read document names, one per line. RAISES (CardionerError): The file cannot be read."""
    return {line.rstrip("\r\n") for line in read_texts(path)} - {""}
