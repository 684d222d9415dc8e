"""An evaluation for a person's eyes."""

from __future__ import annotations

from wasabi.tables import table

from spacy_cardioner.evaluation.evaluate import Evaluation
from spacy_cardioner.evaluation.scores import Comparison, Report, Scores

HEADER = ("", "precision", "recall", "F1", "95 % of F1", "gold", "pred", "right")


def render(evaluation: Evaluation) -> str:
    """The tables, the comparison and the remarks, parted by empty lines."""
    report = evaluation.report
    without = report.documents - report.documents_with_gold
    parts = [
        f"Documents: {report.documents}. Without a gold entity: {without}; they count for nothing "
        f"in the official\nfigures. 95 % intervals from {report.resamples} resamples of documents, "
        f"seed {report.seed}.",
        _table(report),
    ]
    if evaluation.comparison is not None:
        parts.append(_sentence(evaluation.comparison))
    parts.extend(f"note: {remark}" for remark in evaluation.remarks)
    return "\n\n".join(parts)


def _table(report: Report) -> str:
    """One table of all measures: each label, micro and macro."""
    titles = {
        "strict": report.strict,
        "overlapping": report.overlapping,
        "official": report.official,
    }
    rows: list[tuple[str, ...]] = []
    for title, measure in titles.items():
        rows.append((title, *[""] * (len(HEADER) - 1)))
        rows.extend(_row(label, scores) for label, scores in measure.labels.items())
        rows += [_row("micro", measure.micro), _row("macro", measure.macro)]
    aligns = ("l", *"r" * (len(HEADER) - 1))
    lines = table(rows, header=HEADER, divider=True, aligns=aligns, spacing=2).splitlines()
    return "\n".join(line.rstrip() for line in lines if line)


def _row(name: str, scores: Scores) -> tuple[str, ...]:
    figures = (f"{value:.4f}" for value in (scores.precision, scores.recall, scores.f1))
    interval = "{:.4f}-{:.4f}".format(*scores.interval["f1"])
    counts = scores.counts
    made_of = (counts.gold, counts.predicted, counts.right) if counts else ("", "", "")
    return (f"  {name}", *figures, interval, *map(str, made_of))


def _sentence(comparison: Comparison) -> str:
    low, high = comparison.interval
    return (
        f"Strict micro F1 {comparison.first:.4f}, of the predictions compared with "
        f"{comparison.second:.4f}: difference {comparison.difference:+.4f}, "
        f"95 % interval {low:+.4f} to {high:+.4f}."
    )
