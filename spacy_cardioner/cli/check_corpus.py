"""``cardioner check-corpus``: check that a corpus is complete."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spacy_cardioner import layout
from spacy_cardioner.errors import CardionerError


def check_corpus(
    corpus: Annotated[str, typer.Argument(help="Folder of the corpus.")],
) -> None:
    """Check the folders of a corpus, and count its notes."""
    # An unset variable gives an empty argument, and Path("") is the current folder.
    if not corpus:
        raise CardionerError(f"no corpus folder was given. {layout.DOWNLOAD}")
    for folder, notes in layout.check(Path(corpus)):
        typer.echo(f"{notes:6d} notes  {folder.relative_to(corpus)}")
