"""The marks of a gazetteer as features of tokens."""

# No postponed annotations: spaCy checks configs against the types of registered functions.
from typing import Any

import numpy
from spacy.tokens import Doc
from thinc.api import Linear, Model, zero_init

from spacy_cardioner.gazetteer.names import KINDS
from spacy_cardioner.layers import Backprop, Tok2Vec, Vectors

# For each token: which kind of name begins or continues there, and whether it is doubtful.
BEGINS, GOES_ON = 0, len(KINDS)
AMBIGUOUS, ANALYTE, LABORATORY = range(2 * len(KINDS), 2 * len(KINDS) + 3)
N_FEATURES = 2 * len(KINDS) + 3


def create_gazetteer_features(
    tok2vec: Tok2Vec,
    width: int | None,
    dropout: float,
    spans_key: str = "gazetteer",
) -> Tok2Vec:
    """Registered function: add features of the names that a `cardioner_gazetteer` marked.

    In training, the gazetteer must be an annotating component. The vectors of documents without
    marks do not change.

    tok2vec (Tok2Vec): The vectors: of an embedding layer, or of an encoder before the heads.
    width (Optional[int]): The width of the vectors. None infers it, for encoders whose width is
        known only when they are loaded.
    dropout (float): Share of the marks that are dropped in training, and of the documents whose
        marks are all dropped, so that the model also learns to find drugs that no list has.
    spans_key (str): Key of the span group with the marks.
    """
    model: Tok2Vec = Model(
        "gazetteer_features",
        _forward,
        init=_init,
        layers=[tok2vec, Linear(width, N_FEATURES, init_W=zero_init)],
        dims={"nO": width},
        attrs={"feature_dropout": dropout, "spans_key": spans_key},
    )
    model.set_ref("tok2vec", tok2vec)
    return model


def _init(model: Tok2Vec, X: list[Doc] | None = None, Y: Vectors | None = None) -> None:
    tok2vec, linear = model.layers
    tok2vec.initialize(X=X)
    if X and model.has_dim("nO") is None:
        width = tok2vec.predict(X[:1])[0].shape[1]
        model.set_dim("nO", width)
        linear.set_dim("nO", width)
    linear.initialize()


def _forward(model: Tok2Vec, docs: list[Doc], is_train: bool) -> tuple[Vectors, Backprop]:
    tok2vec, linear = model.layers
    vectors, backprop_tok2vec = tok2vec(docs, is_train)
    hidden = model.attrs["feature_dropout"] if is_train else 0.0
    known = [features(doc, model.attrs["spans_key"], hidden) for doc in docs]
    # For each document by itself: another one in the batch must not change its vectors.
    marked = [index for index, each in enumerate(known) if each.any()]
    if not marked:
        return vectors, backprop_tok2vec
    rows: Any = numpy.concatenate([known[index] for index in marked])
    flat = model.ops.asarray2f(rows)
    added, backprop_linear = linear(flat, is_train)
    lengths = model.ops.asarray1i([len(known[index]) for index in marked])
    joined = list(vectors)
    for index, part in zip(marked, model.ops.unflatten(added, lengths), strict=True):
        joined[index] = vectors[index] + part

    def backprop(d_vectors: Vectors) -> Any:
        backprop_linear(model.ops.flatten([d_vectors[index] for index in marked]))
        return backprop_tok2vec(d_vectors)

    return joined, backprop


def features(doc: Doc, spans_key: str = "gazetteer", hidden: float = 0.0) -> Any:
    """The features of the tokens of a document.

    hidden (float): Probability that a mark is dropped, and that all are.
    RETURNS (Floats2d): A row of zeros and ones for each token.
    """
    rows = numpy.zeros((len(doc), N_FEATURES), dtype="f")
    group = doc.spans.get(spans_key, ())
    if not len(group) or (hidden and numpy.random.random() < hidden):
        return rows
    columns = (group.attrs[key] for key in ("kinds", "candidates", "analytes", "laboratory"))
    for span, kind, candidates, analyte, laboratory in zip(group, *columns, strict=True):
        if hidden and numpy.random.random() < hidden:
            continue
        if kind not in KINDS:
            continue
        number = KINDS.index(kind)
        start, end = span.start, span.end
        rows[start, BEGINS + number] = 1
        rows[start + 1 : end, GOES_ON + number] = 1
        flags = (AMBIGUOUS, len(candidates) > 1), (ANALYTE, analyte), (LABORATORY, laboratory)
        for column, value in flags:
            if value:
                rows[start:end, column] = 1
    return rows
