"""``cardioner experiments``: cross-validate many variants and print the table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def experiments(
    campaign: Annotated[
        Path, typer.Argument(help="The file of experiments (YAML): data, config and pieces.")
    ],
    names: Annotated[
        list[str], typer.Argument(help="Experiments: pieces joined by '+', such as crf+vectors.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the results.")],
    lang: Annotated[list[str], typer.Option(help="These languages alone. Repeat for more.")] = [],  # noqa: B006
    seed: Annotated[list[int], typer.Option(help="These seeds alone. Repeat for more.")] = [],  # noqa: B006
    jobs: Annotated[int, typer.Option(min=1, help="How many run at the same time.")] = 1,
) -> None:
    """Cross-validate variants of a training config, in two stages, and print their strict F1.

    What is done is not done again: the same call goes on where it stopped, and prints the table
    when nothing is left to do. The file's commands and its Python code are run, and its paths are
    relative to the working folder; docs/training.md describes it.
    """
    from dataclasses import replace

    from spacy_cardioner.training.campaign import read_campaign
    from spacy_cardioner.training.experiments import run_experiments, table

    chosen = read_campaign(campaign)
    chosen = replace(chosen, languages=lang or chosen.languages, seeds=seed or chosen.seeds)
    run_experiments(
        chosen, names, output, jobs=jobs, report=lambda line: typer.echo(line, err=True)
    )
    titles, *rows = table(chosen, names, output)
    typer.echo("| " + " | ".join(titles) + " |")
    typer.echo("|" + "---|" * len(titles))
    for row in rows:
        typer.echo("| " + " | ".join(row) + " |")
