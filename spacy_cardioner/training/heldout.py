"""What the models of a cross-validation find in the documents that they never saw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from spacy.tokens import Doc
from tqdm import tqdm

from spacy_cardioner.annotate.engine import load_pipeline
from spacy_cardioner.corpus import NOTE_ID, docs_by_name
from spacy_cardioner.errors import CardionerError


def predict_held_out(
    crossval: Path, gold: Path, folds: Sequence[Sequence[str]]
) -> Iterator[tuple[Doc, Doc]]:
    """Predict each document with the model of its fold.

    crossval (Path): A folder that `cardioner crossval` wrote.
    gold (Path): DocBin of the documents, one of those that were split.
    folds (Sequence[Sequence[str]]): Document names of each fold.
    YIELDS (tuple[Doc, Doc]): The gold document and the predicted one.
    RAISES (CardionerError): A model or the DocBin cannot be read; the DocBin lacks a document.
    """
    docs = docs_by_name(gold)
    for number, names in enumerate(tqdm(folds, "predict", delay=2, unit=" folds", disable=None)):
        nlp = load_pipeline(str(crossval / f"fold-{number}" / "model-last"))
        if missing := sorted(set(names) - set(docs)):
            raise CardionerError(f"{gold}: has no document {missing[0]}, which is in fold {number}")
        found = nlp.pipe(docs[name].text for name in names)
        for name, doc in zip(names, found, strict=True):
            doc.user_data[NOTE_ID] = name
            yield docs[name], doc
