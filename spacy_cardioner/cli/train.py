"""``cardioner train``, ``crossval`` and ``experiments``: one trainer, on all data or by folds."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from spacy_cardioner.training.trainer import Run


class Family(str, Enum):
    """The families of pipelines."""

    cpu = "cpu"
    trf = "trf"


RecipeFile = Annotated[
    Path, typer.Argument(metavar="RECIPE", help="A recipe (YAML), such as configs/single.yml.")
]
Lang = Annotated[str, typer.Option(help="Language of the pipeline: es, en, it, or xx.")]
Docs = Annotated[
    Path, typer.Option("--corpus", help="Folder that `cardioner convert --corpus` wrote.")
]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder of the run.")]
FamilyOption = Annotated[Family, typer.Option(help="Which stages of the recipe to train.")]
Vectors = Annotated[
    Path | None, typer.Option(help="Folder that `cardioner pretrain vectors` wrote.")
]
Gazetteer = Annotated[Path | None, typer.Option(help="Patterns file (.jsonl) with drug names.")]
Settings = Annotated[
    list[str],
    typer.Option(
        "--set", "-s", help="A setting of all configs: training.max_epochs=5. Repeat for more."
    ),
]
Seeds = Annotated[
    list[int], typer.Option("--seed", help="Seeds in place of the recipe's. Repeat for more.")
]
Jobs = Annotated[int, typer.Option(min=1, help="Number of trainings at the same time.")]
Gpu = Annotated[int, typer.Option(help="GPU to train on; -1 is the CPU.")]
FoldsFile = Annotated[Path, typer.Option(help="Folds that `cardioner split` wrote.")]


def train(
    recipe: RecipeFile,
    corpus: Docs,
    lang: Lang,
    output: Output,
    family: FamilyOption = Family.cpu,
    vectors: Vectors = None,
    gazetteer: Gazetteer = None,
    settings: Settings = [],  # noqa: B006
    seed: Seeds = [],  # noqa: B006
    jobs: Jobs = 1,
    gpu_id: Gpu = -1,
) -> None:
    """Train the stages of a recipe on all documents.

    With several seeds, the pipelines are stacked. OUTPUT/pipeline is the result. The same command
    resumes a run that was interrupted.
    """
    from spacy_cardioner.training.trainer import train as train_run

    run = _run(
        recipe, family, corpus, lang, output, vectors, gazetteer, settings, seed, jobs, gpu_id
    )
    typer.echo(f"trained: {train_run(run)}")


def crossval(
    recipe: RecipeFile,
    corpus: Docs,
    lang: Lang,
    folds: FoldsFile,
    output: Output,
    fold: Annotated[
        list[int],
        typer.Option(help="Number of a fold, from 0, in place of the recipe's. Repeat for more."),
    ] = [],  # noqa: B006
    family: FamilyOption = Family.cpu,
    vectors: Vectors = None,
    gazetteer: Gazetteer = None,
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
    from spacy_cardioner.training.trainer import cross_validate

    run = _run(
        recipe, family, corpus, lang, output, vectors, gazetteer, settings, seed, jobs, gpu_id
    )
    cross_validate(run, read_folds(folds), fold or None)


def experiments(
    recipe: Annotated[Path, typer.Argument(help="A recipe with pieces (YAML).")],
    names: Annotated[
        list[str], typer.Argument(help="Experiments: pieces joined by '+', such as crf+vectors.")
    ],
    corpus: Docs,
    gold: Annotated[Path, typer.Option(help="The corpus in its published layout.")],
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
    from dataclasses import replace

    from spacy_cardioner.training.experiments import Experiments
    from spacy_cardioner.training.folds import read_folds
    from spacy_cardioner.training.recipe import read_recipe

    read = read_recipe(recipe)
    chosen = replace(read, seeds=seed or read.seeds)
    paths = _paths(vectors, gazetteer)
    variants = Experiments(chosen, names, lang, corpus, gold, output, paths, jobs)
    variants.run(read_folds(folds))
    header, *rows = variants.table()
    typer.echo("| " + " | ".join(header) + " |")
    typer.echo("|" + "---|" * len(header))
    for row in rows:
        typer.echo("| " + " | ".join(row) + " |")


def _run(
    recipe: Path,
    family: Family,
    corpus: Path,
    lang: str,
    output: Path,
    vectors: Path | None,
    gazetteer: Path | None,
    settings: list[str],
    seeds: list[int],
    jobs: int,
    gpu_id: int,
) -> Run:
    from dataclasses import replace

    from spacy_cardioner.training.recipe import read_recipe
    from spacy_cardioner.training.trainer import Run

    read = read_recipe(recipe, family.value)
    read = replace(read, seeds=seeds or read.seeds).with_settings(_parsed(settings))
    return Run(read, lang, corpus, output, _paths(vectors, gazetteer), gpu_id, jobs)


def _paths(vectors: Path | None, gazetteer: Path | None) -> dict[str, str]:
    paths = {"vectors": vectors, "gazetteer": gazetteer}
    return {name: str(path) for name, path in paths.items() if path is not None}


def _parsed(settings: list[str]) -> dict[str, Any]:
    """Values are JSON; what is not JSON is a string."""
    parsed: dict[str, Any] = {}
    for pair in settings:
        name, sign, value = pair.partition("=")
        if not sign:
            raise typer.BadParameter(f"'{pair}' is not NAME=VALUE", param_hint="--set")
        try:
            parsed[name] = json.loads(value)
        except ValueError:
            parsed[name] = value
    return parsed
