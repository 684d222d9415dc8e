"""``cardioner card``: the meta data of a package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import srsly
import typer


def card(
    template: Annotated[Path, typer.Argument(help="JSON with description, licence and sources.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The JSON file to write.")],
    metrics: Annotated[
        list[Path], typer.Option(help="A result of `cardioner evaluate`. Repeat for more.")
    ] = [],  # noqa: B006
) -> None:
    """Join what is said of the data with measured scores, for `spacy package --meta-path`."""
    from spacy_cardioner.training.card import make_card

    made = make_card(template, metrics)
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, made)
