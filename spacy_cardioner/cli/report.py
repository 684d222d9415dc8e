"""``cardioner report``: scores, curves and errors of one or several systems on one page."""

from __future__ import annotations

import json
from collections.abc import Sequence
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
from spacy_cardioner.errors import echo, text_is_shown

# So many have marks of their own in the pictures.
MOST_SYSTEMS = 4


def report(
    pred: Annotated[
        list[str],
        typer.Option(
            metavar="[NAME=]PATH",
            help="Predictions of a system: a BRAT folder, a TSV, or a JSONL of `cardioner "
            "annotate`, which has scores. With --corpus: a folder with the results of "
            "`cardioner crossval`. Repeatable: paths of the same name are one system.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="HTML file. The figures are written beside it as JSON."
        ),
    ],
    gold: Annotated[
        list[str],
        typer.Option(
            metavar="[NAME=]PATH",
            help="Gold: a BRAT folder or a TSV. Repeatable: each name is a split, such as "
            "`dev=FOLDER` and `test=FOLDER`.",
        ),
    ] = [],  # noqa: B006
    corpus: Published = [],  # noqa: B006
    lang: Annotated[
        str | None,
        typer.Option(
            help="Language of the notes: es, en or it. Adds sections, abbreviations and analytes. "
            "With --corpus it is needed, and may be xx for all three."
        ),
    ] = None,
    documents: Scored = None,
    training: TrainedOn = [],  # noqa: B006
    label: Relabel = [],  # noqa: B006
    only: ScoredLabels = [],  # noqa: B006
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Drop predictions with lower scores. The curves show them all the same.",
        ),
    ] = None,
    resamples: Resamples = 1000,
    seed: ResamplesSeed = 13,
    lenient: LenientScores = False,
) -> None:
    """Write a report on one or several systems: one HTML file, and its figures as JSON.

    Scores with intervals by label, language and section; curves of precision and recall and of the
    calibration, if predictions have scores; errors by kind, and what makes entities hard; confusion
    of labels; scores of each document; systems side by side; the difference between splits.

    The scores are those of `cardioner evaluate`. The file needs no network, and holds no text of
    notes but with --show-text, which adds the most frequent errors.
    """
    from spacy_cardioner.evaluation.analysis import Settings, analyse
    from spacy_cardioner.evaluation.evaluate import read_names
    from spacy_cardioner.evaluation.page import render_page
    from spacy_cardioner.evaluation.systems import read_parts, read_runs
    from spacy_cardioner.files import manifest, refuse_overlap, write_texts
    from spacy_cardioner.layout import LANGUAGES

    if output.suffix.lower() not in (".html", ".htm"):
        raise typer.BadParameter("give a name that ends in .html", param_hint="--output")
    if bool(corpus) == bool(gold):
        raise typer.BadParameter("give --gold or --corpus, and not both")
    systems = _by_name(pred)
    if len(systems) > MOST_SYSTEMS:
        raise typer.BadParameter(f"give at most {MOST_SYSTEMS} systems", param_hint="--pred")
    choice: dict[str, Any] = {"labels": only or None, "lenient": lenient}
    if corpus:
        if lang is None:
            raise typer.BadParameter("--corpus needs --lang")
        if documents or training or label:
            raise typer.BadParameter(
                "--corpus cannot be combined with --documents, --training or --label"
            )
        inputs = [path for paths in systems.values() for path in paths]
        parts, remarks = read_runs(named(corpus), systems, lang, **choice)
    else:
        if lang not in (None, *LANGUAGES):
            raise typer.BadParameter("give es, en or it", param_hint="--lang")
        golds = _by_name(gold)
        parts, remarks = read_parts(
            golds if len(golds) > 1 else {"": next(iter(golds.values()))},
            systems,
            lang=lang or "",
            documents=None if documents is None else read_names(documents),
            rename=renames(label),
            training=training,
            **choice,
        )
        inputs = [path for paths in (*golds.values(), *systems.values()) for path in paths]
        inputs += [*training, *([documents] if documents else [])]
    twin = output.with_suffix(".json")
    refuse_overlap(inputs, [output, twin])
    settings = Settings(resamples, seed, threshold)
    data = analyse(parts, list(systems), settings, remarks)
    given = {**choice, "label": label, "lang": lang, **settings._asdict()}
    data["manifest"] = manifest(_files(inputs, corpus), given)
    figures = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    write_texts({output: render_page(data, twin.name), twin: figures})
    echo(f"{output}, {twin.name}" + ": with text of notes" * text_is_shown())


def _by_name(given: Sequence[str]) -> dict[str, list[Path]]:
    """Paths by their names: those that are given, or those of the files and folders."""
    split = [(name, Path(path)) for name, _, path in (_named(one) for one in given)]
    unnamed = [path for name, path in split if not name]
    found: dict[str, list[Path]] = {}
    for name, path in split:
        own = path.name or str(path)
        if sum(other.name == path.name for other in unnamed) > 1:
            own = f"{path.absolute().parent.name}/{own}"
        if not name and own in found:
            raise typer.BadParameter(f"two systems or splits are called {own}: give NAME=PATH")
        found.setdefault(name or own, []).append(path)
    return found


def _named(given: str) -> tuple[str, str, str]:
    """The name and the path of NAME=PATH. What exists is a path."""
    return ("", "", given) if Path(given).exists() or "=" not in given else given.partition("=")


def _files(inputs: Sequence[Path], corpus: Sequence[str]) -> list[Path]:
    """What a report is made of. Of a run, its predictions; its pipelines are large."""
    if not corpus:
        return list(inputs)
    found = [
        path for run in inputs for path in sorted(run.glob("*.tsv")) + sorted(run.glob("*.jsonl"))
    ]
    return [*found, *(run / "documents.txt" for run in inputs)]
