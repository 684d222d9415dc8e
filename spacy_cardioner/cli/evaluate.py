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
    calibration: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="The predictions with their scores, as `annotate --format jsonl` writes them: "
            "also show whether the scores are probabilities.",
        ),
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

    Calibration: of the entities with a score of about 0.8, eight of ten should be right (strictly).
    The expected calibration error is how far from that the scores are on average, in ten bins.
    """
    from spacy_cardioner.evaluation import evaluate as evaluation
    from spacy_cardioner.evaluation.report import render

    names = None if documents is None else _names(documents)
    result = evaluation.evaluate(
        gold,
        pred,
        other=compare,
        documents=names,
        labels=only or None,
        resamples=resamples,
        seed=seed,
        lenient=lenient,
    )
    figures = result.to_dict()
    typer.echo(render(result))
    if calibration is not None:
        shown, figures["calibration"] = _calibration(gold, calibration, names, only, lenient)
        typer.echo(f"\n{shown}")
    if output is not None:
        inputs = [path for path in (gold, pred, compare, documents, calibration) if path]
        settings = {"only": only, "resamples": resamples, "seed": seed, "lenient": lenient}
        _write(output, figures, inputs, settings)


def _calibration(
    gold: Path, scored: Path, names: set[str] | None, only: list[str], lenient: bool
) -> tuple[str, dict[str, Any]]:
    """The calibration of scored predictions, for eyes and as plain data."""
    from spacy_cardioner.evaluation import calibration as room
    from spacy_cardioner.evaluation.sources import read_annotations

    source = read_annotations(gold, lenient=lenient)
    wanted = source.entities if names is None else source.restrict(names).entities
    made = room.calibrations(wanted, room.read_scored(scored), only or None)
    return room.render(made), room.to_dict(made)


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
    from spacy_cardioner.files import manifest

    result["manifest"] = manifest(inputs, settings)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(result, indent=2, ensure_ascii=False)
        output.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise CardionerError(f"{output}: cannot be written ({error.strerror}).") from error
