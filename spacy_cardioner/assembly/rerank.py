"""Makes the component `cardioner_reranker` from the folds of a cross-validation.

What documents say of their own entities is no evidence, so that every candidate that is learned
from comes from a document that neither the recogniser nor the counts had seen: those of a fold come
from the pipeline of that fold, and the counts from the other folds ("stacked generalisation",
Wolpert 1992, https://doi.org/10.1016/S0893-6080(05)80023-1). The final counts come from all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import spacy
import srsly
from spacy.language import Language
from spacy.tokens import Doc

from spacy_cardioner.corpus import docs_by_name, read_docbin
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.layers.crf import Floats
from spacy_cardioner.loading import load_pipeline
from spacy_cardioner.pipeline.ner.component import MultiHeadNER, alternatives_key
from spacy_cardioner.pipeline.reranker.borders import BorderCounts, Borders, Words, words_of
from spacy_cardioner.pipeline.reranker.candidates import (
    FEATURES,
    Candidate,
    candidates_of,
    features,
)
from spacy_cardioner.pipeline.reranker.component import Reranking, SpanReranker
from spacy_cardioner.spans import SPANS_KEY, layers_of

# Spans that are less probable are no candidates.
LOWEST = 0.03

Annotated = tuple[Words, Borders]


@dataclass(frozen=True)
class FoldDocument:
    """A document of a fold, and what a pipeline that never saw it takes for an entity.

    words (Words): Its words.
    gold (Borders): Its entities.
    candidates (Sequence[Candidate]): What may be one.
    """

    words: Words
    gold: Borders
    candidates: Sequence[Candidate]


def read_annotated(paths: Iterable[Path], label: str) -> list[Annotated]:
    """Read the words and entities of documents in which a label is annotated.

    paths (Iterable[Path]): DocBins.
    label (str): The label.
    RETURNS (list[Annotated]): The documents.
    RAISES (CardionerError): A file is no DocBin.
    """
    vocab = spacy.blank("xx").vocab  # an empty one knows of no lower-case forms
    docs = (doc for path in paths for doc in read_docbin(path, vocab))
    return [
        (
            words_of(doc),
            [(span.start, span.end) for span in doc.spans[SPANS_KEY] if span.label_ == label],
        )
        for doc in docs
        if _is_annotated(doc, label)
    ]


def find_candidates(
    run: Path, corpus: Path, folds: Sequence[Sequence[str]], label: str, *, ner: str = "ner"
) -> list[list[FoldDocument]]:
    """Find the candidates in the documents of each fold with the pipeline of that fold.

    run (Path): A folder that `cardioner crossval` has written.
    corpus (Path): DocBin of the documents that it was made of, in one language.
    folds (Sequence[Sequence[str]]): Document names of each fold.
    label (str): The label.
    ner (str): The `cardioner_ner`.
    RETURNS (list[list[FoldDocument]]): The documents of each fold.
    RAISES (CardionerError): A fold's pipeline is missing or has no such label; the documents are
        not those of the folds; a file is no DocBin.
    """
    docs = docs_by_name(corpus)
    if sorted(docs) != sorted(name for names in folds for name in names):
        raise CardionerError(f"{corpus}: its documents are not those of the folds")
    if _folds_of(run) != [list(names) for names in folds]:
        raise CardionerError(f"{run}: was cross-validated with other folds than those given")
    return [
        _read_fold(
            _load(run / f"fold-{number}" / "model-last", ner),
            [docs[name] for name in names if _is_annotated(docs[name], label)],
            label,
            ner,
        )
        for number, names in enumerate(folds)
    ]


def fit(folds: Sequence[Sequence[FoldDocument]], extra: Sequence[Annotated]) -> Reranking:
    """Learn how to rerank the candidates of a label.

    folds (Sequence[Sequence[FoldDocument]]): Documents with candidates, at least two folds.
    extra (Sequence[Annotated]): More documents to count in.
    RETURNS (Reranking): Counts of all documents, and weights.
    RAISES (CardionerError): There are no candidates, or all are right, or none is.
    """
    rows: list[Floats] = []
    right: list[bool] = []
    for number, fold in enumerate(folds):
        others = [docs for place, docs in enumerate(folds) if place != number]
        counts = BorderCounts.from_documents([*extra, *_annotated(others)])
        for doc in fold:
            rows.append(features(counts, doc.words, doc.candidates))
            right += [candidate[:2] in set(doc.gold) for candidate in doc.candidates]
    if len(set(right)) < 2:
        raise CardionerError(
            "nothing can be learned of this label: among the candidates in the documents of all "
            "folds there have to be some that are right and some that are wrong"
        )
    weights, bias = fit_logistic(numpy.concatenate(rows), numpy.array(right, dtype="f8"))
    named = dict(zip(FEATURES, weights.tolist(), strict=True))
    counts = BorderCounts.from_documents([*extra, *_annotated(folds)])
    return Reranking(counts, {**named, "bias": bias})


def fit_logistic(
    rows: Floats, targets: Floats, *, penalty: float = 10.0, rounds: int = 20
) -> tuple[Floats, float]:
    """Fit a logistic regression by Newton's method.

    rows (Floats): A row of features for each case.
    targets (Floats): 1 or 0 for each case.
    penalty (float): Half of this times the square of each weight is added to the loss, features
        taken with a standard deviation of 1.
    rounds (int): Steps; it converges in about ten.
    RETURNS (tuple[Floats, float]): The weight of each feature, and the bias.
    """
    mean, deviation = rows.mean(0, dtype="f8"), rows.std(0, dtype="f8")
    deviation[deviation == 0] = 1.0
    scaled = numpy.hstack([(rows - mean) / deviation, numpy.ones((len(rows), 1))])
    ridge = numpy.diag([*[penalty] * rows.shape[1], 1e-6])
    weights = numpy.zeros(scaled.shape[1])
    for _ in range(rounds):
        probable = 1 / (1 + numpy.exp(-scaled @ weights))
        gradient = scaled.T @ (probable - targets) + ridge @ weights
        curvature = (scaled * (probable * (1 - probable))[:, None]).T @ scaled + ridge
        weights = weights - numpy.linalg.solve(curvature, gradient)
    of_rows = weights[:-1] / deviation
    return of_rows, float(weights[-1] - of_rows @ mean)


def add_reranker(
    nlp: Language, *, ner: str = "ner", threshold: float | None = None
) -> SpanReranker:
    """Add a `cardioner_reranker` to a pipeline, after its recogniser.

    nlp (Language): The pipeline, changed in place.
    ner (str): The `cardioner_ner`.
    threshold (Optional[float]): Entities that are less probable are left out; by default what the
        component says.
    RETURNS (SpanReranker): The component, which knows no label until its `rerankings` are set.
    RAISES (CardionerError): The pipeline has no such recogniser, or has a reranker already.
    """
    recogniser = _recogniser(nlp, ner)
    if "reranker" in nlp.pipe_names:
        raise CardionerError("the pipeline has a cardioner_reranker already")
    recogniser.alternatives = LOWEST
    nlp.get_pipe_config(ner)["alternatives"] = LOWEST  # for when it is saved
    settings: dict[str, Any] = {"spans_key": recogniser.spans_key}
    if threshold is not None:
        settings["threshold"] = threshold
    reranker: SpanReranker = nlp.add_pipe(
        "cardioner_reranker", "reranker", after=ner, config=settings
    )  # type: ignore[assignment]
    return reranker


def _read_fold(nlp: Language, docs: Sequence[Doc], label: str, ner: str) -> list[FoldDocument]:
    pipe = _recogniser(nlp, ner)
    if label not in pipe.labels:
        raise CardionerError(f"no label is called {label}; they are: {', '.join(pipe.labels)}")
    pipe.alternatives = LOWEST
    key = alternatives_key(pipe.spans_key)
    read = []
    for doc, found in zip(docs, nlp.pipe(doc.text for doc in docs), strict=True):
        gold = [
            (span.start, span.end)
            for entity in doc.spans[SPANS_KEY]
            if entity.label_ == label
            and (span := found.char_span(entity.start_char, entity.end_char)) is not None
        ]
        candidates = candidates_of(found.spans[key], label)
        read.append(FoldDocument(words_of(found), gold, candidates))
    return read


def _folds_of(run: Path) -> list[list[str]]:
    path = run / "manifest.json"
    try:
        folds: list[list[str]] = srsly.read_json(path)["settings"]["folds"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CardionerError(
            f"{path}: cannot be read ({type(error).__name__}); `cardioner crossval` writes it"
        ) from error
    return folds


def _load(path: Path, ner: str) -> Language:
    if not path.exists():
        raise CardionerError(f"{path}: not found; `cardioner crossval` makes it")
    nlp = load_pipeline(str(path))
    _recogniser(nlp, ner)
    return nlp


def _recogniser(nlp: Language, name: str) -> MultiHeadNER:
    if name in nlp.pipe_names and isinstance(pipe := nlp.get_pipe(name), MultiHeadNER):
        return pipe
    raise CardionerError(f"the pipeline has no cardioner_ner that is called '{name}'")


def _is_annotated(doc: Doc, label: str) -> bool:
    layers = layers_of(doc, SPANS_KEY)
    return SPANS_KEY in doc.spans and (layers is None or label in layers)


def _annotated(folds: Iterable[Iterable[FoldDocument]]) -> list[Annotated]:
    return [(doc.words, doc.gold) for fold in folds for doc in fold]
