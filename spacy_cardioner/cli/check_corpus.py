"""``cardioner check-corpus``: whether a corpus lies where the project expects it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spacy_cardioner.errors import CardionerError

LANGUAGES = ("es", "en", "it")
FOLDERS = (
    "track1/distemist_train/brat",
    "track1/cardioccc_dev/brat",
    *(f"track2/drugtemist_train/{lang}/brat" for lang in LANGUAGES),
    *(f"track2/cardioccc_dev/{lang}/brat" for lang in LANGUAGES),
)
WHERE = (
    "Download the MultiCardioNER corpus from https://doi.org/10.5281/zenodo.10948354, unpack it, "
    "and set the environment variable MULTICARDIONER_DIR to the folder that holds track1 and track2"
)


def check_corpus(
    corpus: Annotated[str, typer.Argument(help="Folder with track1 and track2.")],
) -> None:
    """Say whether a corpus has the layout of MultiCardioNER, and what to do if it does not."""
    if not corpus:
        raise CardionerError(f"no corpus is named. {WHERE}")
    root = Path(corpus)
    if not root.is_dir():
        raise CardionerError(f"{root}: there is no such folder. {WHERE}")
    missing = [folder for folder in FOLDERS if not any((root / folder).glob("*.txt"))]
    if missing:
        expected = "\n".join(f"  {root / folder}" for folder in missing)
        raise CardionerError(f"{root}: no .txt files in these folders:\n{expected}\n{WHERE}")
    for folder in FOLDERS:
        typer.echo(f"{sum(1 for _ in (root / folder).glob('*.txt')):6d} notes  {folder}")
