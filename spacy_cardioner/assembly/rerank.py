"""Train the component `cardioner_reranker` on the folds of a cross-validation.

The candidates that it learns from come from documents that neither the model nor the counts have
seen: those of a fold come from the pipeline of that fold, and the counts from the other folds
("stacked generalisation", Wolpert 1992, https://doi.org/10.1016/S0893-6080(05)80023-1). The final
counts come from all folds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy
import spacy
from spacy.language import Language
from spacy.tokens import Doc

from spacy_cardioner.assembly.stack import NER, ner_of
from spacy_cardioner.corpus import docs_by_name, read_docbin
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.evaluation.held_out import predict_held_out, read_run_folds, trained_folds
from spacy_cardioner.layers.crf import Floats
from spacy_cardioner.layout import SPLIT, languages_of
from spacy_cardioner.pipeline.ner.component import alternatives_key
from spacy_cardioner.pipeline.reranker.boundaries import Boundaries, BoundaryCounts, Words, words_of
from spacy_cardioner.pipeline.reranker.candidates import FEATURES, candidates_of, features
from spacy_cardioner.pipeline.reranker.component import Reranking, SpanReranker
from spacy_cardioner.spans import SPANS_KEY, Entity, layers_of

LOWEST = 0.03  # probability of candidates
PENALTY = 10.0  # L2 penalty of the weights

Annotated = tuple[Words, Boundaries]


@dataclass(frozen=True)
class FoldDocument:
    """A document of a fold, with candidates from a pipeline that was not trained on it."""

    words: Words
    gold: Boundaries
    candidates: Sequence[Entity]


def rerank(
    nlp: Language,
    run: Path,
    corpus: Path,
    labels: Sequence[str],
    threshold: float | None = None,
) -> list[str]:
    """Add a `cardioner_reranker` to a pipeline, and train it on a cross-validation.

    run (Path): Folder that `cardioner crossval` wrote.
    corpus (Path): Folder that `cardioner convert --corpus` wrote.
    labels (Sequence[str]): The labels to rerank. Those that the pipeline lacks are ignored.
    threshold (float | None): See `add_reranker`.
    RETURNS (list[str]): The labels that are reranked. With none, or with fewer than two trained
        folds, the pipeline does not change.
    RAISES (CardionerError): The run or the corpus is incomplete; the pipeline has a reranker.
    """
    known = [label for label in labels if label in ner_of(nlp).labels]
    if not known or len(trained_folds(run)) < 2:
        return []
    reranker = add_reranker(nlp, threshold)
    langs = languages_of(nlp.lang or "")
    paths = [path for lang in langs for path in sorted(corpus.glob(f"*/{lang}.spacy"))]
    others = [path for path in paths if path.parent.name != SPLIT]
    for label in known:
        found = [
            find_candidates(run, docs_by_name(corpus / SPLIT / f"{lang}.spacy"), label)
            for lang in langs
        ]
        folds = [list(chain(*of_fold)) for of_fold in zip(*found, strict=True)]
        reranker.rerankings[label] = fit(folds, read_annotated(others, label))
    return known


def read_annotated(paths: Iterable[Path], label: str) -> list[Annotated]:
    """Read the words and entities of the documents of DocBins in which a label was annotated.

    RAISES (CardionerError): A file is not a DocBin.
    """
    vocab = spacy.blank("xx").vocab  # an empty Vocab has no lower-case forms
    docs = (doc for path in paths for doc in read_docbin(path, vocab))
    return [
        (words_of(doc), [(s.start, s.end) for s in doc.spans[SPANS_KEY] if s.label_ == label])
        for doc in docs
        if _is_annotated(doc, label)
    ]


def find_candidates(run: Path, docs: Mapping[str, Doc], label: str) -> list[list[FoldDocument]]:
    """Find the candidates in the documents of each fold with the pipeline of that fold.

    run (Path): Folder that `cardioner crossval` wrote.
    RETURNS (list[list[FoldDocument]]): The documents of each fold in which the label was annotated.
    RAISES (CardionerError): A document, the pipeline of a fold, or its label is missing.
    """

    def prepare(nlp: Language) -> None:
        pipe = ner_of(nlp)
        if label not in pipe.labels:
            raise CardionerError(f"{run}: no label {label}, only {', '.join(pipe.labels)}")
        pipe.alternatives = LOWEST

    folds: list[list[FoldDocument]] = [[] for _ in read_run_folds(run)]
    for number, doc, found in predict_held_out(run, docs, prepare):
        if _is_annotated(doc, label):
            gold = [
                (span.start, span.end)
                for entity in doc.spans[SPANS_KEY]
                if entity.label_ == label
                and (span := found.char_span(entity.start_char, entity.end_char)) is not None
            ]
            candidates = candidates_of(found.spans[alternatives_key(SPANS_KEY)], label)
            folds[number].append(FoldDocument(words_of(found), gold, candidates))
    return folds


def fit(folds: Sequence[Sequence[FoldDocument]], extra: Sequence[Annotated]) -> Reranking:
    """Train the reranking of a label.

    folds (Sequence[Sequence[FoldDocument]]): Documents with candidates, at least two folds.
    extra (Sequence[Annotated]): More annotated documents, for the counts.
    RAISES (CardionerError): The candidates are all right, or all wrong.
    """
    annotated = [[(doc.words, doc.gold) for doc in fold] for fold in folds]
    rows: list[Floats] = []
    right: list[bool] = []
    for number, fold in enumerate(folds):
        others = chain(*annotated[:number], *annotated[number + 1 :])
        counts = BoundaryCounts.from_documents([*extra, *others])
        for doc in fold:
            rows.append(features(counts, doc.words, doc.candidates))
            right += [candidate[:2] in set(doc.gold) for candidate in doc.candidates]
    if len(set(right)) < 2:
        raise CardionerError(
            "the reranker cannot learn this label: it needs some candidates that are right and "
            "some that are wrong in the documents of the folds"
        )
    weights, bias = fit_logistic(numpy.concatenate(rows), numpy.array(right, dtype="f8"))
    named = dict(zip(FEATURES, weights.tolist(), strict=True))
    counts = BoundaryCounts.from_documents([*extra, *chain(*annotated)])
    return Reranking(counts, {**named, "bias": bias})


def fit_logistic(rows: Floats, targets: Floats) -> tuple[Floats, float]:
    """Fit a logistic regression by Newton's method, with an L2 penalty on standardised features.

    rows, targets (Floats): A row of features for each case, and 1 or 0 for each case.
    RETURNS (tuple[Floats, float]): The weight of each feature, and the bias.
    """
    mean, deviation = rows.mean(0, dtype="f8"), rows.std(0, dtype="f8")
    deviation[deviation == 0] = 1.0
    scaled = numpy.hstack([(rows - mean) / deviation, numpy.ones((len(rows), 1))])
    ridge = numpy.diag([*[PENALTY] * rows.shape[1], 1e-6])
    weights = numpy.zeros(scaled.shape[1])
    for _ in range(20):  # it converges in about ten
        probable = 1 / (1 + numpy.exp(-scaled @ weights))
        gradient = scaled.T @ (probable - targets) + ridge @ weights
        curvature = (scaled * (probable * (1 - probable))[:, None]).T @ scaled + ridge
        weights = weights - numpy.linalg.solve(curvature, gradient)
    of_rows = weights[:-1] / deviation
    return of_rows, float(weights[-1] - of_rows @ mean)


def add_reranker(nlp: Language, threshold: float | None = None) -> SpanReranker:
    """Add a `cardioner_reranker` to a pipeline, after its `cardioner_ner`.

    threshold (float | None): Drop entities with a lower probability. Default: the component's.
    RETURNS (SpanReranker): The component. It has no labels until its `rerankings` are set.
    RAISES (CardionerError): The pipeline has no `cardioner_ner`, or has a reranker already.
    """
    ner = ner_of(nlp)
    if "reranker" in nlp.pipe_names:
        raise CardionerError("the pipeline has a cardioner_reranker already")
    ner.alternatives = LOWEST
    nlp.get_pipe_config(NER)["alternatives"] = LOWEST  # for when it is saved
    settings: dict[str, Any] = {"spans_key": ner.spans_key}
    if threshold is not None:
        settings["threshold"] = threshold
    reranker: SpanReranker
    reranker = nlp.add_pipe("cardioner_reranker", "reranker", after=NER, config=settings)  # type: ignore[assignment]
    return reranker


def _is_annotated(doc: Doc, label: str) -> bool:
    layers = layers_of(doc, SPANS_KEY)
    return SPANS_KEY in doc.spans and (layers is None or label in layers)
