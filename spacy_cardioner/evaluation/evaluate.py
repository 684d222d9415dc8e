"""From gold and predictions on disk to figures, and what to know before believing them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.evaluation.matching import labels_of
from spacy_cardioner.evaluation.scores import Comparison, Report, compare, score
from spacy_cardioner.evaluation.sources import align, read_annotations, remarks


@dataclass(frozen=True)
class Evaluation:
    """A report with its circumstances.

    comparison (Comparison | None): Against other predictions, where there are any.
    remarks (list[str]): What was left out, taken on trust or repaired, in sentences.
    """

    report: Report
    comparison: Comparison | None
    remarks: list[str]

    def to_dict(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The report's own entries, "comparison" and "remarks"."""
        comparison = None if self.comparison is None else self.comparison.to_dict()
        return {**self.report.to_dict(), "comparison": comparison, "remarks": self.remarks}


def evaluate(
    gold: Path,
    pred: Path,
    *,
    other: Path | None = None,
    documents: Collection[str] | None = None,
    labels: Collection[str] | None = None,
    resamples: int = 1000,
    seed: int = 13,
    lenient: bool = False,
) -> Evaluation:
    """Score predictions against gold, each a BRAT folder or a TSV.

    other (Path | None): Further predictions, to compare `pred` with.
    documents (Collection[str] | None): Score these alone. Default: all of the gold.
    labels (Collection[str] | None): Score these alone. Default: all of gold and predictions.
    lenient (bool): Skip and count malformed input, and predictions for documents without gold.
    RAISES (CardionerError): The input is at fault, or nothing in it has one of the labels.
    """
    paths = [pred] if other is None else [pred, other]
    sources = [read_annotations(path, lenient=lenient) for path in [gold, *paths]]
    if documents is not None:
        if gold_lacks := sorted(set(documents) - set(sources[0].entities)):
            raise CardionerError(f"{gold}: has no document {gold_lacks[0]}, which is to be scored.")
        sources = [source.restrict(documents) for source in sources]
    gold_source, *pred_sources = sources
    wanted, found = align(gold_source, pred_sources, lenient=lenient)
    known = set().union(*map(labels_of, (wanted, *found)))
    if labels is not None and (missing := sorted(set(labels) - known)):
        raise CardionerError(
            f"No entity, gold or predicted, is labelled {', '.join(missing)}. The labels here are: "
            f"{', '.join(sorted(known)) or 'none'}."
        )
    settings: dict[str, Any] = {"labels": labels, "resamples": resamples, "seed": seed}
    said = [line for source in pred_sources for line in remarks(gold_source, source, labels)]
    return Evaluation(
        report=score(wanted, found[0], **settings),
        comparison=None if other is None else compare(wanted, *found, **settings),
        remarks=list(dict.fromkeys(said)),
    )
