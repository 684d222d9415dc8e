"""``cardioner rerank``: a component that chooses among overlapping candidates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def rerank(
    model: Annotated[str, typer.Argument(help="An installed pipeline or the folder of one.")],
    run: Annotated[
        Path, typer.Argument(help="Folder that `cardioner crossval` wrote for its recogniser.")
    ],
    label: Annotated[
        list[str], typer.Option(help="A label to choose entities of; can be repeated.")
    ],
    corpus: Annotated[
        Path, typer.Option(help="DocBin of the documents that were cross-validated on.")
    ],
    folds: Annotated[Path, typer.Option(help="File of folds, from `cardioner split`.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the new pipeline.")],
    extra: Annotated[
        list[Path] | None,
        typer.Option(help="DocBin of more documents to count in; can be repeated."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Leave out what is less probable; half of the F1 that is reached is best. "
            "By default 0.4.",
        ),
    ] = None,
) -> None:
    """Add a component that chooses the borders of entities by the words that stand there.

    It learns from what the pipelines of all folds find in documents that they never saw, and from
    how often entities begin and end between two words. It pays for labels whose entities are long.
    """
    from spacy_cardioner.assembly.rerank import (
        add_reranker,
        find_candidates,
        fit,
        read_annotated,
    )
    from spacy_cardioner.loading import load_pipeline
    from spacy_cardioner.training.folds import read_folds

    nlp = load_pipeline(model)
    names = read_folds(folds)
    reranker = add_reranker(nlp, threshold=threshold)
    for each in label:
        candidates = find_candidates(run, corpus, names, each)
        reranker.rerankings[each] = fit(candidates, read_annotated(extra or (), each))
    output.parent.mkdir(parents=True, exist_ok=True)
    nlp.to_disk(output)
