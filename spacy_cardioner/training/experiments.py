"""Experiments: variants of a recipe, cross-validated and scored, in one table."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import srsly

from spacy_cardioner.evaluation.evaluate import evaluate_run
from spacy_cardioner.evaluation.held_out import Folds
from spacy_cardioner.layout import gold, languages_of
from spacy_cardioner.training.recipe import Recipe
from spacy_cardioner.training.trainer import Run, cross_validate

SCORES = "scores.json"


@dataclass(frozen=True)
class Experiments:
    """Variants of a recipe for one language. Each seed is trained and scored on its own.

    recipe (Recipe): The recipe with the pieces that the names join.
    names (Sequence[str]): The experiments, such as "crf+vectors".
    lang (str): Language of the pipelines.
    corpus (Path): Folder with the DocBins that `cardioner convert --corpus` writes.
    gold (Path): The corpus in its published layout.
    output (Path): Folder of the results: ``NAME/LANG-SEED`` is the run of one seed.
    """

    recipe: Recipe
    names: Sequence[str]
    lang: str
    corpus: Path
    gold: Path
    output: Path
    paths: Mapping[str, str] = field(default_factory=dict)
    jobs: int = 1

    def run(self, folds: Folds) -> None:
        """Train and score all experiments with all seeds; finished ones are not repeated.

        RAISES (CardionerError): There is no such piece, or a training failed.
        """
        for run in [self._run_of(name, seed) for seed in self.recipe.seeds for name in self.names]:
            if not (run.output / SCORES).exists():
                cross_validate(run, folds)
                results = evaluate_run(self.gold, run.output, self.lang)
                scores = {f"{t.label} {t.lang}": e.report.strict.micro.f1 for t, e in results}
                srsly.write_json(run.output / SCORES, scores)

    def table(self) -> Iterator[list[str]]:
        """Rows of the strict micro F1: the mean over the seeds, with the lowest and the highest.

        YIELDS (list[str]): The header, then a row for each experiment.
        """
        langs = languages_of(self.lang)
        tasks = [f"{label} {lang}" for lang in langs for label in gold(self.gold, lang)]
        yield ["experiment", *tasks]
        for name in self.names:
            paths = [self._run_of(name, seed).output / SCORES for seed in self.recipe.seeds]
            found = [srsly.read_json(path) for path in paths if path.exists()]
            yield [name, *(_cell([scores[task] for scores in found]) for task in tasks)]

    def _run_of(self, name: str, seed: int) -> Run:
        recipe = replace(self.recipe.experiment(name), seeds=[seed])
        folder = self.output / name / f"{self.lang}-{seed}"
        return Run(recipe, self.lang, self.corpus, folder, self.paths, jobs=self.jobs)


def _cell(f1: Sequence[float]) -> str:
    if len(f1) < 2:
        return "".join(f"{value:.4f}" for value in f1)
    return f"{statistics.mean(f1):.4f} ({min(f1):.4f} to {max(f1):.4f})"
