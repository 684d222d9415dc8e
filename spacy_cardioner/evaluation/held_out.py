"""Held-out documents, annotated by the pipelines of the folds that never saw them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import srsly
from spacy.language import Language
from spacy.tokens import Doc

from spacy_cardioner.errors import CardionerError, listed
from spacy_cardioner.loading import load_pipeline
from spacy_cardioner.spans import NOTE_ID

# Files of a cross-validated run: the folds, and in the folder of each fold its pipeline.
FOLDS = "folds.json"
PIPELINE = "pipeline"

Folds = Sequence[Sequence[str]]


def predict_held_out(
    run: Path, docs: Mapping[str, Doc], prepare: Callable[[Language], Any] = lambda nlp: None
) -> Iterator[tuple[int, Doc, Doc]]:
    """Annotate documents with the pipelines of the folds that never saw them.

    A language may lack some documents of the folds.

    run (Path): Folder that `cardioner crossval` wrote.
    prepare (Callable[[Language], Any]): Called with each pipeline before it is used.
    YIELDS (tuple[int, Doc, Doc]): Number of the fold, the document, and the annotated document.
    RAISES (CardionerError): The pipeline of a fold is missing, or all of its documents.
    """
    for number, names in enumerate(read_run_folds(run)):
        ours = [docs[name] for name in names if name in docs]
        if not ours:
            lacking = listed(names, "document")
            raise CardionerError(f"{run}: the corpus lacks {lacking} of fold {number}")
        nlp = load_pipeline(fold_folder(run, number) / PIPELINE)
        prepare(nlp)
        for doc, found in annotate_again(nlp, ours):
            yield number, doc, found


def annotate_again(nlp: Language, docs: Sequence[Doc]) -> Iterator[tuple[Doc, Doc]]:
    """Annotate the texts of documents. YIELDS: Each document, and the annotated one."""
    for doc, found in zip(docs, nlp.pipe(doc.text for doc in docs), strict=True):
        found.user_data[NOTE_ID] = doc.user_data[NOTE_ID]
        yield doc, found


def fold_folder(run: Path, fold: int) -> Path:
    """The folder of a fold."""
    return run / f"fold-{fold}"


def trained_folds(run: Path) -> list[int]:
    """The folds of a run that were trained. RAISES: See `read_run_folds`."""
    folds = range(len(read_run_folds(run)))
    return [fold for fold in folds if (fold_folder(run, fold) / PIPELINE).exists()]


def read_run_folds(run: Path) -> Folds:
    """The document names of each fold. RAISES (CardionerError): The folder holds no such run."""
    path = run / FOLDS
    if not path.exists():
        raise CardionerError(f"{path}: not found; `cardioner crossval` writes it")
    folds: Folds = srsly.read_json(path)
    return folds
