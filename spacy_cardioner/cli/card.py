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
        list[str],
        typer.Option(
            help="What was measured, and a result of `cardioner evaluate`, as in es=es.json. "
            "Repeat for more."
        ),
    ] = [],  # noqa: B006
    lang: Annotated[
        str | None, typer.Option(help="The pipeline's language, if the template tells them apart.")
    ] = None,
) -> None:
    """Join what is said of the data with measured scores, for `spacy package --meta-path`."""
    from spacy_cardioner.assembly.card import make_card

    named = [value.partition("=") for value in metrics]
    if unnamed := [value for value, equals, _ in named if not equals]:
        raise typer.BadParameter(f"{unnamed[0]}: give it as NAME=FILE", param_hint="--metrics")
    made = make_card(template, [(name, Path(path)) for name, _, path in named], lang)
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, made)
