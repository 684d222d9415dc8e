"""``cardioner crossval``: cross-validate a training config by document."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def crossval(
    config: Annotated[Path, typer.Argument(help="A training config of spaCy.")],
    split: Annotated[
        list[Path],
        typer.Option(help="DocBin of the documents in the folds. Repeat for more languages."),
    ],
    folds: Annotated[Path, typer.Option(help="Folds, as `cardioner split` writes them.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for models and results.")],
    extra: Annotated[
        list[Path], typer.Option(help="DocBin added to every training part. Repeat for more.")
    ] = [],  # noqa: B006
    fold: Annotated[
        list[int], typer.Option(help="Do this fold alone, from 0. Repeat for more.")
    ] = [],  # noqa: B006
    set_: Annotated[
        list[str],
        typer.Option("--set", help="A setting of the config: paths.stage1=DIR. Repeat for more."),
    ] = [],  # noqa: B006
    jobs: Annotated[int, typer.Option(min=1, help="Folds trained at the same time.")] = 1,
    seed: Annotated[
        list[int],
        typer.Option(
            help="Train with this seed. Repeat to put several pipelines side by side, see "
            "`cardioner stack`; in a setting, {seed} stands for it. [default: the config's]"
        ),
    ] = [],  # noqa: B006
    gpu_id: Annotated[int, typer.Option(help="GPU to train on; -1 is the CPU.")] = -1,
) -> None:
    """Train on all folds but one, predict that one, for each fold; pool the predictions.

    Finished folds are kept: the same command goes on where it stopped. OUTPUT/es.tsv has the
    pooled predictions for the documents of es.spacy, OUTPUT/documents.txt the names of the
    documents; `cardioner evaluate` scores them.
    """
    from spacy_cardioner.training.crossval import Experiment, cross_validate
    from spacy_cardioner.training.folds import read_folds

    if bad := [pair for pair in set_ if "=" not in pair]:
        raise typer.BadParameter(f"'{bad[0]}' is not NAME=VALUE", param_hint="--set")
    overrides = dict(pair.split("=", maxsplit=1) for pair in set_)
    cross_validate(
        Experiment(config, split, extra, overrides, gpu_id, seed),
        read_folds(folds),
        output,
        chosen=fold or None,
        jobs=jobs,
        report=lambda line: typer.echo(line, err=True),
    )
