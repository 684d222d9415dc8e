"""``cardioner evaluate``: score predictions against gold annotations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from spacy_cardioner.errors import CardionerError


def evaluate(
    gold: Annotated[Path, typer.Option(help="Gold annotations: a BRAT folder or a TSV.")],
    pred: Annotated[Path, typer.Option(help="Predictions: a BRAT folder or a TSV.")],
    compare: Annotated[
        Path | None,
        typer.Option(help="Other predictions, to compare --pred with by strict micro F1."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", dir_okay=False, help="Also write everything as JSON."),
    ] = None,
    documents: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Score the documents named in this file, one a line."),
    ] = None,
    only: Annotated[list[str], typer.Option(help="Score this label alone. Repeat for more.")] = [],  # noqa: B006
    resamples: Annotated[
        int, typer.Option(min=1, help="How often documents are drawn for the intervals.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws.")] = 13,
    lenient: Annotated[
        bool,
        typer.Option(
            "--lenient",
            help="Skip and count malformed input, and predictions for documents without gold.",
        ),
    ] = False,
) -> None:
    """Score predictions: strict, overlapping, and as the official scorer does.

    Strict: same document, offsets, label and text. Overlapping: same label and at least one common
    character, one gold entity for one prediction. Official: strict, leaving out the documents
    without a gold entity, so that predictions there cost nothing.

    A TSV does not list documents without an entity: with a TSV as gold, documents that only the
    predictions have are taken for such.
    """
    from spacy_cardioner.evaluation import evaluate as evaluation
    from spacy_cardioner.evaluation.report import render

    result = evaluation.evaluate(
        gold,
        pred,
        other=compare,
        documents=None if documents is None else _names(documents),
        labels=only or None,
        resamples=resamples,
        seed=seed,
        lenient=lenient,
    )
    typer.echo(render(result))
    if output is not None:
        inputs = [gold, pred] if compare is None else [gold, pred, compare]
        inputs += [] if documents is None else [documents]
        settings = {"only": only, "resamples": resamples, "seed": seed, "lenient": lenient}
        _write(output, result.to_dict(), inputs, settings)


def _names(path: Path) -> set[str]:
    """The lines of a file."""
    try:
        return set(path.read_text(encoding="utf-8").split("\n")) - {""}
    except (OSError, ValueError) as error:
        raise CardionerError(f"{path}: cannot be read as UTF-8 text ({error}).") from error


def _write(
    output: Path, result: dict[str, Any], inputs: list[Path], settings: dict[str, Any]
) -> None:
    """Write the figures with the manifest of what they were made from."""
    from spacy_cardioner.training.manifest import manifest

    result["manifest"] = manifest(inputs, settings)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(result, indent=2, ensure_ascii=False)
        output.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise CardionerError(f"{output}: cannot be written ({error.strerror}).") from error
