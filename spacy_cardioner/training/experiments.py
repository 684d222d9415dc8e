"""Experiments: variants of a recipe, cross-validated and scored, in one table."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import srsly

from spacy_cardioner.evaluation.evaluate import evaluate_run
from spacy_cardioner.evaluation.held_out import Folds
from spacy_cardioner.layout import SPLIT, find, labels, languages_of
from spacy_cardioner.training.trainer import Run, cross_validate

SCORES = "scores.json"


def run_experiments(
    base: Run, names: Sequence[str], folds: Folds, corpora: Sequence[Path]
) -> Iterator[list[str]]:
    """Train and score each experiment with each seed; finished ones are not repeated.

    base (Run): The recipe with the pieces that the names join. The runs of its seeds are the
        folders ``NAME/LANG-SEED`` in its output.
    corpora (Sequence[Path]): The corpora in their published layouts, in the order of `convert`.
    YIELDS (list[str]): The header, then for each experiment a row of the strict micro F1: the mean
        over the seeds, with the lowest and the highest.
    RAISES (CardionerError): There is no such piece, or a training failed.
    """
    for run in [_variant(base, name, seed) for seed in base.recipe.seeds for name in names]:
        if not (run.output / SCORES).exists():
            cross_validate(run, folds)
            results = evaluate_run(corpora, run.output, run.lang)
            scores = {f"{t.label} {t.lang}": e.report.strict.micro.f1 for t, e in results}
            srsly.write_json(run.output / SCORES, scores)
    tasks = [
        f"{label} {lang}"
        for lang in languages_of(base.lang)
        for label in labels(find(corpora, lang, SPLIT))
    ]
    yield ["experiment", *tasks]
    for name in names:
        runs = [_variant(base, name, seed) for seed in base.recipe.seeds]
        found = [srsly.read_json(run.output / SCORES) for run in runs]
        yield [name, *(_cell([scores[task] for scores in found]) for task in tasks)]


def _variant(base: Run, name: str, seed: int) -> Run:
    recipe = replace(base.recipe.experiment(name), seeds=[seed])
    return replace(base, recipe=recipe, output=base.output / name / f"{base.lang}-{seed}")


def _cell(f1: Sequence[float]) -> str:
    mean = f"{statistics.mean(f1):.4f}"
    return mean if len(f1) == 1 else f"{mean} ({min(f1):.4f} to {max(f1):.4f})"
