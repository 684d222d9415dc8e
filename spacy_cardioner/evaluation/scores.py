"""Precision, recall and F1, with a confidence interval for every figure.

Each measure of `matching` is reported per label, over all entities (micro) and as the mean over the
labels (macro). A quotient with denominator 0 is 0. The official measure is rounded to 4 digits.

The intervals are 95 % percentile intervals from a bootstrap over documents, because the entities
of one document are not independent. A resample without any entity of a label is left out for it.

source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacy_cardioner.evaluation.matching import MEASURES, Annotations, count, labels_of

Interval = tuple[float, float]

METRICS = ("precision", "recall", "f1")
CONFIDENCE = 0.95
OFFICIAL_DIGITS = 4


@dataclass(frozen=True)
class Counts:
    """Number of gold entities, predictions, and correct predictions."""

    gold: int
    predicted: int
    right: int


@dataclass(frozen=True)
class Scores:
    """Precision, recall and F1, and the interval of each by its name. Macro figures lack counts."""

    precision: float
    recall: float
    f1: float
    interval: Mapping[str, Interval]
    counts: Counts | None


@dataclass(frozen=True)
class Measure:
    """The scores of one measure: of each label, over all entities, and the mean of the labels."""

    labels: Mapping[str, Scores]
    micro: Scores
    macro: Scores


@dataclass(frozen=True)
class Report:
    """All scores of a set of predictions.

    documents_with_gold (int): Number of documents that have a gold entity of a scored label.
    """

    documents: int
    documents_with_gold: int
    resamples: int
    seed: int
    strict: Measure
    overlapping: Measure
    official: Measure


@dataclass(frozen=True)
class Comparison:
    """Strict micro F1 of two sets of predictions for the same documents.

    interval (tuple[float, float]): 95 % interval of the difference. If 0 is outside, the choice of
        documents does not explain it.
    """

    first: float
    second: float
    difference: float
    interval: Interval
    resamples: int
    seed: int


def score(
    gold: Annotations,
    pred: Annotations,
    *,
    labels: Collection[str] | None = None,
    resamples: int = 1000,
    seed: int = 13,
) -> Report:
    """Score predictions.

    gold (Annotations): The entities of every document, an empty list for one without entities.
    pred (Annotations): The predictions. Missing documents have none.
    labels (Collection[str] | None): The labels to score. Default: all in `gold` and `pred`.
    RAISES (CardionerError): `gold` is empty, or `pred` has documents that `gold` does not have.
    """
    names = _names(labels, gold, pred)
    counts = count(gold, pred, names)
    totals = counts.sum(axis=0)
    points = np.nan_to_num(_figures(totals))
    samples = _figures(_resample(counts, resamples, seed))
    measures = {}
    for m, name in enumerate(MEASURES):
        digits = OFFICIAL_DIGITS if name == "official" else None
        made_of = [*(Counts(*row) for row in totals[m].tolist()), None]
        *per_label, micro, macro = (
            _scores(points[m, unit], samples[:, m, unit], of, digits)
            for unit, of in enumerate(made_of)
        )
        measures[name] = Measure(dict(zip(names, per_label, strict=True)), micro, macro)
    with_gold = int((counts[:, MEASURES.index("strict"), -1, 0] > 0).sum())
    return Report(len(gold), with_gold, resamples, seed, **measures)


def compare(
    gold: Annotations,
    first: Annotations,
    second: Annotations,
    *,
    labels: Collection[str] | None = None,
    resamples: int = 1000,
    seed: int = 13,
) -> Comparison:
    """Compare two sets of predictions by a paired bootstrap. For the arguments, see `score`.

    source: Berg-Kirkpatrick, Burkett and Klein, EMNLP 2012, https://aclanthology.org/D12-1091
    """
    names = _names(labels, gold, first, second)
    counts = np.stack([count(gold, pred, names) for pred in (first, second)], axis=1)
    points = np.nan_to_num(_strict_micro_f1(counts.sum(axis=0)))
    samples = _strict_micro_f1(_resample(counts, resamples, seed))
    interval = _interval(samples[:, 0] - samples[:, 1])
    one, other = points.tolist()
    return Comparison(one, other, one - other, interval, resamples, seed)


def gap(
    first: tuple[Annotations, Annotations],
    second: tuple[Annotations, Annotations],
    *,
    labels: Collection[str] | None = None,
    resamples: int = 1000,
    seed: int = 13,
) -> Comparison:
    """Compare the scores of a system on two sets of documents, each resampled on its own.

    first, second (tuple): The gold annotations and the predictions, see `score`.
    """
    names = _names(labels, *first, *second)
    points, samples = [], []
    for number, (gold, pred) in enumerate((first, second)):
        counts = count(gold, pred, names)
        points.append(float(np.nan_to_num(_strict_micro_f1(counts.sum(axis=0)))))
        samples.append(_strict_micro_f1(_resample(counts, resamples, seed + number)))
    one, other = points
    interval = _interval(samples[0] - samples[1])
    return Comparison(one, other, one - other, interval, resamples, seed)


def _names(labels: Collection[str] | None, *annotations: Annotations) -> list[str]:
    return sorted(set().union(*map(labels_of, annotations)) if labels is None else set(labels))


def _resample(counts: NDArray[np.int64], resamples: int, seed: int) -> NDArray[np.int64]:
    """Sum the counts of as many documents, drawn with replacement. Resamples are the first axis."""
    random = np.random.default_rng(seed)
    size = len(counts)
    # float64 is exact for integers up to 2**53, and only float products are fast.
    flat = counts.reshape(size, -1).astype(np.float64)
    draws = (random.integers(size, size=size) for _ in range(resamples))
    totals = np.stack([np.bincount(draw, minlength=size) @ flat for draw in draws])
    return totals.astype(np.int64).reshape(resamples, *counts.shape[1:])


def _figures(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute ... x (labels, micro, macro) x METRICS from ... x (labels, micro) x counts.

    The result is NaN where there are no entities. F1 is computed from precision and recall as in
    the official scorer: another formula may round differently.
    """
    gold, predicted, right = np.moveaxis(counts, -1, 0)
    precision, recall = _divide(right, predicted), _divide(right, gold)
    f1 = _divide(2 * precision * recall, precision + recall)
    figures = np.stack([precision, recall, f1], axis=-1)
    figures[gold + predicted == 0] = np.nan
    labels = figures[..., :-1, :]
    known = (~np.isnan(labels)).sum(axis=-2, keepdims=True)
    macro = _divide(np.nansum(labels, axis=-2, keepdims=True), known, empty=np.nan)
    return np.concatenate([figures, macro], axis=-2)


def _divide(
    numerator: NDArray[Any], denominator: NDArray[Any], empty: float = 0.0
) -> NDArray[np.float64]:
    quotient = np.full(numerator.shape, empty)
    return np.divide(numerator, denominator, out=quotient, where=denominator != 0)


def _strict_micro_f1(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    figures: NDArray[np.float64] = _figures(counts)[..., MEASURES.index("strict"), -2, :]
    return figures[..., METRICS.index("f1")]


def _scores(
    point: NDArray[np.float64],
    samples: NDArray[np.float64],
    counts: Counts | None,
    digits: int | None,
) -> Scores:
    """Make the scores of one unit, rounded by Python's `round` like in the official scorer."""
    figures, intervals = point.tolist(), [_interval(column) for column in samples.T]
    if digits is not None:
        figures = [round(figure, digits) for figure in figures]
        intervals = [(round(low, digits), round(high, digits)) for low, high in intervals]
    precision, recall, f1 = figures
    return Scores(precision, recall, f1, dict(zip(METRICS, intervals, strict=True)), counts)


def _interval(samples: NDArray[np.float64]) -> Interval:
    """The central 95 % of the samples, without those that are NaN."""
    known = samples[~np.isnan(samples)]
    if not len(known):
        return (0.0, 0.0)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(known, [tail, 1 - tail]).tolist()
    return (low, high)
