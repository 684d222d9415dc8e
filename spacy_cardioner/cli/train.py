"""``cardioner train``, ``crossval`` and ``experiments``: one trainer, on all data or by folds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spacy_cardioner.cli.options import DocBins, Lang, named
from spacy_cardioner.errors import echo

if TYPE_CHECKING:
    from spacy_cardioner.training.recipe import Recipe


RecipeFile = Annotated[
    Path, typer.Argument(metavar="RECIPE", help="A recipe (YAML), such as configs/single.yml.")
]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder of the run.")]
Family = Annotated[str, typer.Option(help="Which stages of the recipe to train: cpu or trf.")]
Vectors = Annotated[Path | None, typer.Option(help="Folder of `cardioner pretrain vectors`.")]
Gazetteer = Annotated[Path | None, typer.Option(help="Patterns file (.jsonl) with drug names.")]
Silver = Annotated[
    str,
    typer.Option(
        help="Folder with the part 'silver' of the recipe: DocBins in LANG/all, LANG/fold-0, ... "
        "Without it, the recipe is used without this part."
    ),
]
Settings = Annotated[
    list[str],
    typer.Option("--set", "-s", help="A setting: training.max_epochs=5. Repeat for more."),
]
Seeds = Annotated[
    list[int], typer.Option("--seed", help="Seeds in place of the recipe's. Repeat for more.")
]
Jobs = Annotated[int, typer.Option(min=1, help="Number of trainings at the same time.")]
Gpu = Annotated[int, typer.Option(help="GPU to train on; -1 is the CPU.")]
FoldsFile = Annotated[Path, typer.Option(help="Folds that `cardioner split` wrote.")]


def train(
    recipe: RecipeFile,
    corpus: DocBins,
    lang: Lang,
    output: Output,
    family: Family = "cpu",
    vectors: Vectors = None,
    gazetteer: Gazetteer = None,
    silver: Silver = "",
    settings: Settings = [],  # noqa: B006
    seed: Seeds = [],  # noqa: B006
    jobs: Jobs = 1,
    gpu_id: Gpu = -1,
) -> None:
    """Train the stages of a recipe on all documents.

    With several seeds, the pipelines are stacked. OUTPUT/pipeline is the result. The same command
    resumes a run that was interrupted.
    """
    from spacy_cardioner.training.trainer import Run
    from spacy_cardioner.training.trainer import train as train_run

    read = _read(recipe, seed, family, settings, silver)
    taught = Path(silver) / lang if silver else None
    run = Run(read, lang, corpus, output, _paths(vectors, gazetteer), gpu_id, jobs, taught)
    echo(f"trained: {train_run(run)}")


def crossval(
    recipe: RecipeFile,
    corpus: DocBins,
    lang: Lang,
    folds: FoldsFile,
    output: Output,
    fold: Annotated[
        list[int], typer.Option(help="A fold, from 0, in place of the recipe's. Repeat for more.")
    ] = [],  # noqa: B006
    family: Family = "cpu",
    vectors: Vectors = None,
    gazetteer: Gazetteer = None,
    silver: Silver = "",
    settings: Settings = [],  # noqa: B006
    seed: Seeds = [],  # noqa: B006
    jobs: Jobs = 1,
    gpu_id: Gpu = -1,
) -> None:
    """Train without each fold, and annotate held-out documents.

    OUTPUT/es.tsv has the entities found in all held-out documents of es.spacy, and
    OUTPUT/documents.txt the names of these. Score them with `cardioner evaluate`. In the folder of
    `cardioner train`, first stages are not trained again.
    """
    from spacy_cardioner.training.folds import read_folds
    from spacy_cardioner.training.trainer import Run, cross_validate

    read = _read(recipe, seed, family, settings, silver)
    taught = Path(silver) / lang if silver else None
    run = Run(read, lang, corpus, output, _paths(vectors, gazetteer), gpu_id, jobs, taught)
    cross_validate(run, read_folds(folds), fold or None)


def experiments(
    recipe: Annotated[Path, typer.Argument(help="A recipe with pieces (YAML).")],
    names: Annotated[
        list[str], typer.Argument(help="Experiments: pieces joined by '+', such as crf+vectors.")
    ],
    corpus: DocBins,
    gold: Annotated[
        list[str],
        typer.Option(help="The corpus in its published layout. Repeatable, as `convert --corpus`."),
    ],
    lang: Lang,
    folds: FoldsFile,
    output: Output,
    vectors: Vectors = None,
    gazetteer: Gazetteer = None,
    seed: Seeds = [],  # noqa: B006
    jobs: Jobs = 1,
) -> None:
    """Cross-validate variants of a recipe, in one table.

    Finished experiments are not repeated: the same command resumes, and prints the table.
    """
    from spacy_cardioner.training.experiments import run_experiments
    from spacy_cardioner.training.folds import read_folds
    from spacy_cardioner.training.trainer import Run

    paths = _paths(vectors, gazetteer)
    base = Run(_read(recipe, seed), lang, corpus, output, paths, jobs=jobs)
    header, *rows = run_experiments(base, names, read_folds(folds), named(gold))
    for row in (header, ["---"] * len(header), *rows):
        echo(f"| {' | '.join(row)} |")


def _read(
    path: Path,
    seeds: list[int],
    family: str = "cpu",
    settings: Sequence[str] = (),
    silver: str = "",
) -> Recipe:
    """Read a recipe, and apply --seed, --set and --silver.

    Values of --set are JSON; what is not JSON is a string.
    """
    from spacy_cardioner.training.recipe import SILVER, read_recipe

    parsed: dict[str, Any] = {}
    for pair in settings:
        name, sign, value = pair.partition("=")
        if not sign:
            raise typer.BadParameter(f"'{pair}' is not NAME=VALUE", param_hint="--set")
        try:
            parsed[name] = json.loads(value)
        except ValueError:
            parsed[name] = value
    recipe = read_recipe(path, family).with_settings(parsed)
    if not silver:
        recipe = recipe.without(SILVER)
    return replace(recipe, seeds=seeds or recipe.seeds)


def _paths(vectors: Path | None, gazetteer: Path | None) -> dict[str, str]:
    paths = {"vectors": vectors, "gazetteer": gazetteer}
    return {name: str(path) for name, path in paths.items() if path is not None}
