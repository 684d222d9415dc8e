"""``cardioner split``: folds by document."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def split(
    output: Annotated[Path, typer.Option("--output", "-o", help="The JSON file to write.")],
    folders: Annotated[
        list[Path] | None, typer.Argument(help="BRAT folders with the documents.")
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the MultiCardioNER corpus, in place of FOLDERS, to split its "
            "cardiology notes."
        ),
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Number of folds.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the shuffle.")] = 13,
) -> None:
    """Split the documents of a corpus into folds for cross-validation.

    The folds depend only on the document names and the seed: a document is in the same fold in all
    languages.
    """
    from spacy_cardioner import layout
    from spacy_cardioner.brat import read_folder
    from spacy_cardioner.training.folds import make_folds, write_folds

    if (corpus is None) == (not folders):
        raise typer.BadParameter("give either FOLDERS or --corpus")
    if corpus is not None:
        layout.check(corpus)
        folders = [
            f for lang in layout.LANGUAGES for f in layout.folders(corpus, "cardioccc", lang)
        ]
    names = {note.name for folder in folders or () for note in read_folder(folder)}
    made = make_folds(names, folds, seed)
    write_folds(output, made, seed)
    sizes = ", ".join(str(len(fold)) for fold in made)
    typer.echo(f"{len(names)} documents in {folds} folds: {sizes}")
