"""``cardioner average``: one pipeline with the mean of several pipelines' weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def average(
    models: Annotated[
        list[str], typer.Argument(help="Pipelines that were trained on from the same weights.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the mean of them.")],
) -> None:
    """Average the weights of pipelines of the same config: as fast as one.

    It makes sense for second stages with other seeds from the same first stage; pipelines trained
    apart from the start do not go together. Evaluate it: on CardioCCC it was no better than one.
    """
    from spacy_cardioner.annotate.engine import load_pipeline
    from spacy_cardioner.training.averaging import average_weights

    nlp = average_weights([load_pipeline(model) for model in models])
    output.parent.mkdir(parents=True, exist_ok=True)
    nlp.to_disk(output)
