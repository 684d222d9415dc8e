"""``cardioner split``: folds by document."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def split(
    folders: Annotated[list[Path], typer.Argument(help="BRAT folders of the corpus.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The JSON file to write.")],
    folds: Annotated[int, typer.Option(min=2, help="How many folds.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the shuffle.")] = 13,
) -> None:
    """Deal the documents of a corpus into folds for cross-validation.

    A document lies in the same fold in every language: only names and seed count.
    """
    from spacy_cardioner.brat import read_folder
    from spacy_cardioner.training.folds import make_folds, write_folds

    names = {note.name for folder in folders for note in read_folder(folder)}
    made = make_folds(names, folds, seed)
    write_folds(output, made, seed)
    sizes = ", ".join(str(len(fold)) for fold in made)
    typer.echo(f"{len(names)} documents in {folds} folds: {sizes}")
