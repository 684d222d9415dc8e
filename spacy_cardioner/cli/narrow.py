"""``cardioner narrow``: one language and some labels of a pipeline of several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def narrow(
    model: Annotated[str, typer.Argument(help="An installed pipeline or the folder of one.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the new pipeline.")],
    lang: Annotated[str, typer.Option(help="Code of the new pipeline's language.")],
    label: Annotated[list[str], typer.Option(help="A label that stays; can be repeated.")],
) -> None:
    """Make a pipeline of one language, with some labels, of one of several languages.

    The recogniser is a `cardioner_ner`. What it finds for the labels that stay is the same.
    """
    from spacy_cardioner.assembly.narrow import narrow as make
    from spacy_cardioner.loading import load_pipeline

    nlp = make(load_pipeline(model), lang=lang, labels=label)
    output.parent.mkdir(parents=True, exist_ok=True)
    nlp.to_disk(output)
