"""``cardioner stack``: one pipeline with the encoders of several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def stack(
    models: Annotated[
        list[str],
        typer.Argument(help="Pipelines of one config and with the same vectors, of other seeds."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the pipeline that they make.")
    ],
) -> None:
    """Put pipelines side by side in one, whose answer is the mean of theirs.

    It finds more than each of them and takes the time of all their encoders. Their recogniser is a
    `cardioner_ner` without a hidden layer, on a `tok2vec`.
    """
    from spacy_cardioner.assembly.stack import stack as put_side_by_side
    from spacy_cardioner.loading import load_pipeline

    nlp = put_side_by_side([load_pipeline(model) for model in models])
    output.parent.mkdir(parents=True, exist_ok=True)
    nlp.to_disk(output)
