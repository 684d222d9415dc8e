"""Precision, recall and F1 of predicted entities, with an interval for every figure.

`spacy_cardioner.evaluation.matching` says what is right. Each of its measures is given per label,
over all entities (micro) and as the mean of the labels (macro). A figure without anything to divide
by is 0. The official measure is rounded to 4 places.

The intervals are 95 % percentile intervals from a bootstrap over documents, since the entities of
one document are not independent of each other. A resample without an entity of a label, neither
gold nor predicted, says nothing about that label and is left out for it.

source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
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
    """What the figures are made of: entities in the gold, predicted, and rightly predicted."""

    gold: int
    predicted: int
    right: int


@dataclass(frozen=True)
class Scores:
    """Precision, recall and F1, and under its name the 95 % interval of each.

    counts (Counts | None): None for macro figures, which are means and have no counts.
    """

    precision: float
    recall: float
    f1: float
    interval: Mapping[str, Interval]
    counts: Counts | None


@dataclass(frozen=True)
class Measure:
    """One way of matching: the scores of each label, over all entities, and the labels' mean."""

    labels: Mapping[str, Scores]
    micro: Scores
    macro: Scores


@dataclass(frozen=True)
class Report:
    """All figures of one set of predictions.

    documents (int): How many were scored.
    documents_with_gold (int): How many of them hold a gold entity of a scored label.
    """

    documents: int
    documents_with_gold: int
    resamples: int
    seed: int
    strict: Measure
    overlapping: Measure
    official: Measure

    def to_dict(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The same as plain dictionaries and numbers."""
        return asdict(self)


@dataclass(frozen=True)
class Comparison:
    """Strict micro F1 of two sets of predictions for the same documents.

    difference (float): The first minus the second.
    interval (tuple[float, float]): 95 % interval of the difference, both scored on each resample.
        Where 0 is outside, the choice of documents does not explain the difference.
    """

    first: float
    second: float
    difference: float
    interval: Interval
    resamples: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The same as a plain dictionary."""
        return asdict(self)


def score(
    gold: Annotations,
    pred: Annotations,
    *,
    labels: Collection[str] | None = None,
    resamples: int = 1000,
    seed: int = 13,
) -> Report:
    """Score predictions.

    gold (Annotations): The entities of every document, an empty list where there are none.
    pred (Annotations): The predictions; a document that is not in it has none.
    labels (Collection[str] | None): Score these alone. Default: every label of `gold` and `pred`.
    resamples (int): How many times the documents are drawn anew for the intervals, at least once.
    seed (int): The same seed gives the same intervals, in whatever order the documents come.
    RAISES (CardionerError): `gold` has no document, or `pred` has one that `gold` has not.
    """
    names = _names(labels, gold, pred)
    counts = count(gold, pred, names)
    totals = counts.sum(axis=0)
    points = np.nan_to_num(_figures(totals))
    samples = _figures(_resample(counts, resamples, seed))

    def measure(m: int) -> Measure:
        made_of = [Counts(*row) for row in totals[m].tolist()]
        units = [
            _scores(points[m, u], samples[:, m, u], counts)
            for u, counts in enumerate([*made_of, None])
        ]
        if MEASURES[m] == "official":
            units = [_rounded(unit) for unit in units]
        *per_label, micro, macro = units
        return Measure(dict(zip(names, per_label, strict=True)), micro, macro)

    return Report(
        documents=len(gold),
        documents_with_gold=int((counts[:, MEASURES.index("strict"), -1, 0] > 0).sum()),
        resamples=resamples,
        seed=seed,
        strict=measure(MEASURES.index("strict")),
        overlapping=measure(MEASURES.index("overlapping")),
        official=measure(MEASURES.index("official")),
    )


def compare(
    gold: Annotations,
    first: Annotations,
    second: Annotations,
    *,
    labels: Collection[str] | None = None,
    resamples: int = 1000,
    seed: int = 13,
) -> Comparison:
    """Compare two sets of predictions by a paired bootstrap; the arguments are those of `score`.

    source: Berg-Kirkpatrick, Burkett and Klein, EMNLP 2012, https://aclanthology.org/D12-1091
    """
    names = _names(labels, gold, first, second)
    counts = np.stack([count(gold, pred, names) for pred in (first, second)], axis=1)
    points = np.nan_to_num(_strict_micro_f1(counts.sum(axis=0)))
    samples = _strict_micro_f1(_resample(counts, resamples, seed))
    return Comparison(
        first=float(points[0]),
        second=float(points[1]),
        difference=float(points[0] - points[1]),
        interval=_interval(samples[:, 0] - samples[:, 1]),
        resamples=resamples,
        seed=seed,
    )


def _names(labels: Collection[str] | None, *annotations: Annotations) -> list[str]:
    return sorted(set().union(*map(labels_of, annotations)) if labels is None else set(labels))


def _resample(counts: NDArray[np.int64], resamples: int, seed: int) -> NDArray[np.int64]:
    """Draw as many documents as there are, with replacement, and add up their counts.

    RETURNS (NDArray): Resamples x the axes of `counts` after the first.
    """
    random = np.random.default_rng(seed)
    size = len(counts)
    # Whole numbers up to 2**53 are exact in float64, and only its products are fast.
    flat = counts.reshape(size, -1).astype(np.float64)
    draws = (random.integers(size, size=size) for _ in range(resamples))
    totals = np.stack([np.bincount(draw, minlength=size) @ flat for draw in draws])
    return totals.astype(np.int64).reshape(resamples, *counts.shape[1:])


def _figures(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Precision, recall and F1 of ... x (labels, micro) x counts, with macro as one unit more.

    NaN where nothing is gold and nothing predicted. F1 is computed from precision and recall, as
    the official scorer does: another formula may differ in the last bit, and so in the rounding.
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
    point: NDArray[np.float64], samples: NDArray[np.float64], counts: Counts | None
) -> Scores:
    precision, recall, f1 = point.tolist()
    interval = {name: _interval(column) for name, column in zip(METRICS, samples.T, strict=True)}
    return Scores(precision, recall, f1, interval, counts)


def _interval(samples: NDArray[np.float64]) -> Interval:
    """The middle 95 % of the samples; those without a figure are left out."""
    known = samples[~np.isnan(samples)]
    if not len(known):
        return (0.0, 0.0)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(known, [tail, 1 - tail]).tolist()
    return (low, high)


def _rounded(scores: Scores) -> Scores:
    """RETURNS (Scores): With 4 places, rounded as the official scorer does, by Python's `round`."""
    precision, recall, f1 = (round(getattr(scores, name), OFFICIAL_DIGITS) for name in METRICS)
    interval = {
        name: (round(low, OFFICIAL_DIGITS), round(high, OFFICIAL_DIGITS))
        for name, (low, high) in scores.interval.items()
    }
    return Scores(precision, recall, f1, interval, scores.counts)
