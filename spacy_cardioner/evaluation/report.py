"""Format evaluations as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from wasabi.tables import table

from spacy_cardioner.evaluation.calibration import Calibration
from spacy_cardioner.evaluation.evaluate import Evaluation, Task
from spacy_cardioner.evaluation.matching import MEASURES
from spacy_cardioner.evaluation.scores import Report, Scores
from spacy_cardioner.evaluation.unseen import Recalls

HEADER = ("", "precision", "recall", "F1", "95 % of F1", "gold", "pred", "right")
NAMES = ("recall by name", "seen", "gold", "right", "unseen", "gold", "right")


def render(evaluation: Evaluation) -> str:
    """Format the tables, the comparison, the remarks and the calibration."""
    report, comparison = evaluation.report, evaluation.comparison
    without = report.documents - report.documents_with_gold
    parts = [
        f"Documents: {report.documents}, of which {without} have no gold entity and are ignored in "
        f"the official\nfigures. 95 % intervals from {report.resamples} resamples of documents, "
        f"seed {report.seed}.",
        _table(HEADER, _rows(report)),
    ]
    if comparison is not None:
        parts.append(
            f"Strict micro F1 {comparison.first:.4f}, of the other predictions "
            f"{comparison.second:.4f}: difference {comparison.difference:+.4f}, "
            "95 % interval {:+.4f} to {:+.4f}.".format(*comparison.interval)
        )
    if evaluation.names is not None:
        parts.append(_table(NAMES, [_names(*one) for one in evaluation.names.items()]))
    parts.extend(f"note: {remark}" for remark in evaluation.remarks)
    if evaluation.calibration is not None:
        parts.extend(_bins(*one) for one in evaluation.calibration.items())
        if not evaluation.calibration:
            parts.append("Calibration: nothing was predicted.")
    return "\n\n".join(parts)


def render_run(results: Iterable[tuple[Task, Evaluation]]) -> str:
    """Format the strict scores of several tasks as one table, with their remarks."""
    rows, names, remarks = [], [], {}
    for task, evaluation in results:
        (scores,) = evaluation.report.strict.labels.values()
        rows.append(_row(f"{task.label} {task.lang}", scores))
        for label, recalls in (evaluation.names or {}).items():
            names.append(_names(f"{label} {task.lang}", recalls))
        remarks.update(dict.fromkeys(evaluation.remarks))
    tables = [_table(HEADER, rows), *([_table(NAMES, names)] if names else [])]
    return "\n\n".join([*tables, *(f"note: {remark}" for remark in remarks)])


def _rows(report: Report) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for title in MEASURES:
        measure = getattr(report, title)
        rows.append((title, *[""] * (len(HEADER) - 1)))
        units = {**measure.labels, "micro": measure.micro, "macro": measure.macro}
        rows.extend(_row(f"  {name}", scores) for name, scores in units.items())
    return rows


def _row(name: str, scores: Scores) -> tuple[str, ...]:
    figures = (f"{value:.4f}" for value in (scores.precision, scores.recall, scores.f1))
    interval = "{:.4f}-{:.4f}".format(*scores.interval["f1"])
    counts = scores.counts
    made_of = (counts.gold, counts.predicted, counts.right) if counts else ("", "", "")
    return (name, *figures, interval, *map(str, made_of))


def _names(label: str, recalls: Recalls) -> tuple[str, ...]:
    figures = (
        (f"{one.recall:.4f}", str(one.gold), str(one.right))
        for one in (recalls.seen, recalls.unseen)
    )
    return (label, *chain(*figures))


def _bins(label: str, calibration: Calibration) -> str:
    rows = [
        (f"{one.low:.1f}-{one.high:.1f}", str(one.entities), f"{one.score:.3f}", f"{one.right:.3f}")
        for one in calibration.bins
    ]
    return (
        f"{label}: expected calibration error {calibration.error:.4f}, "
        f"{calibration.entities} entities\n"
        + _table(("score", "entities", "mean score", "correct"), rows)
    )


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    aligns = ("l", *"r" * (len(header) - 1))
    lines = table(rows, header=header, divider=True, aligns=aligns, spacing=2).splitlines()
    return "\n".join(line.rstrip() for line in lines if line)
