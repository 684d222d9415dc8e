"""``cardioner evaluate``: score predictions against gold annotations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from spacy_cardioner.cli.options import (
    LenientScores,
    Published,
    Relabel,
    Resamples,
    ResamplesSeed,
    Scored,
    ScoredLabels,
    TrainedOn,
    named,
    renames,
)
from spacy_cardioner.errors import echo


def evaluate(
    pred: Annotated[
        Path,
        typer.Option(
            help="Predictions: a BRAT folder, a TSV or a JSONL. With --corpus: a folder with the "
            "results of `cardioner crossval`."
        ),
    ],
    gold: Annotated[Path | None, typer.Option(help="Gold: a BRAT folder or a TSV.")] = None,
    corpus: Published = [],  # noqa: B006
    lang: Annotated[
        str | None, typer.Option(help="With --corpus: es, en, it, or xx for all three.")
    ] = None,
    compare: Annotated[
        Path | None, typer.Option(help="Other predictions, to compare by strict micro F1.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="JSON file for the results. With --corpus: a folder for LABEL_LANG.json files.",
        ),
    ] = None,
    documents: Scored = None,
    calibration: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="The predictions with scores, as `annotate --format jsonl` writes them.",
        ),
    ] = None,
    training: TrainedOn = [],  # noqa: B006
    unseen: Annotated[
        bool,
        typer.Option(
            "--unseen",
            help="With --corpus: add the recall on names that the training texts of the fold have, "
            "and on those that they lack.",
        ),
    ] = False,
    label: Relabel = [],  # noqa: B006
    only: ScoredLabels = [],  # noqa: B006
    resamples: Resamples = 1000,
    seed: ResamplesSeed = 13,
    lenient: LenientScores = False,
) -> None:
    """Score predictions against gold annotations.

    Strict: same document, offsets, label and text. Overlapping: same label and at least one common
    character; each gold entity is matched with at most one prediction. Official: strict, ignoring
    documents without a gold entity, so that false positives there cost nothing.

    With --corpus, every label of every language is scored on the cardiology notes that were
    predicted, each against its own gold annotations. Give the corpora that were converted, in the
    same order.

    A gold entity counts as often as it occurs, a prediction once, as in the official scorer.

    A TSV does not list documents without an entity: if --gold is a TSV, documents that only the
    predictions have are counted as such.

    Seen and unseen names: a name is the words of a mention in lower case and without accents. It is
    seen if they stand in a training text, other than the document itself.

    Calibration: of the entities with a score of about 0.8, eight of ten should be (strictly)
    correct. The expected calibration error is the mean deviation from that, in ten bins.
    """
    from spacy_cardioner.evaluation import evaluate as evaluation
    from spacy_cardioner.evaluation.report import render, render_run

    settings: dict[str, Any] = {"resamples": resamples, "seed": seed, "lenient": lenient}
    if corpus:
        if lang is None:
            raise typer.BadParameter("--corpus needs --lang")
        if gold or compare or documents or calibration or training or label or only:
            others = "--gold, --compare, --documents, --calibration, --training, --label or --only"
            raise typer.BadParameter(f"--corpus cannot be combined with {others}")
        results = list(
            evaluation.evaluate_run(named(corpus), pred, lang, unseen=unseen, **settings)
        )
        echo(render_run(results))
        if output is not None:
            for task, result in results:
                path = output / f"{task.label}_{task.lang}.json"
                inputs = [*task.gold, task.pred, pred / "documents.txt"]
                made_with = {"label": [], "only": [task.label], **settings}
                _write(path, result.to_dict(), inputs, made_with)
        return
    if gold is None:
        raise typer.BadParameter("give --gold or --corpus")
    if unseen:
        raise typer.BadParameter("--unseen needs --corpus; with --gold, give --training")
    if output is not None and output.is_dir():
        raise typer.BadParameter(f"'{output}' is a folder", param_hint="--output")
    result = evaluation.evaluate(
        gold,
        pred,
        other=compare,
        scored=calibration,
        training=training,
        documents=None if documents is None else evaluation.read_names(documents),
        rename=renames(label),
        labels=only or None,
        **settings,
    )
    echo(render(result))
    if output is not None:
        inputs = [path for path in (gold, pred, compare, documents, calibration) if path]
        inputs.extend(training)
        _write(output, result.to_dict(), inputs, {"label": label, "only": only, **settings})


def _write(
    output: Path, result: dict[str, Any], inputs: list[Path], settings: dict[str, Any]
) -> None:
    """Write results with the manifest of their inputs."""
    from spacy_cardioner.files import manifest, write_texts

    result["manifest"] = manifest(inputs, settings)
    write_texts({output: json.dumps(result, indent=2, ensure_ascii=False) + "\n"})
