"""What a gazetteer knows about the tokens, as features beside those that are learned."""

# No `from __future__ import annotations`: configs are checked against the types of the registered
# function, which must not be strings.
from collections.abc import Callable, Sequence
from typing import Any

import numpy
from spacy.tokens import Doc
from thinc.api import Linear, Model, zero_init
from thinc.types import Floats2d

from spacy_cardioner.gazetteer.names import KINDS

# For each token: which kind of name begins there, which goes on, and what is doubtful about it.
BEGINS, GOES_ON = 0, len(KINDS)
AMBIGUOUS, ANALYTE, LABORATORY = range(2 * len(KINDS), 2 * len(KINDS) + 3)
N_FEATURES = 2 * len(KINDS) + 3


def create_gazetteer_features(
    tok2vec: Model[list[Doc], list[Floats2d]],
    width: int | None,
    dropout: float,
    spans_key: str = "gazetteer",
) -> Model[list[Doc], list[Floats2d]]:
    """Registered function: add to a token's vector what the names of a list say about it.

    A component `gazetteer` marks the names before; in training it is an annotating component. A
    document without marks is served too: its vectors stay what `tok2vec` makes of them.

    tok2vec (Model[List[Doc], List[Floats2d]]): The vectors: an embedding layer, so that the
        encoder sees the features in their context, or an encoder or listener before the heads.
    width (Optional[int]): The width of those vectors; None finds it out, for encoders that tell
        it only when they are loaded.
    dropout (float): Share of the marks that are hidden in training, and of the documents without
        any, so that the model also learns to find drugs that no list has.
    spans_key (str): The span group with the marks.
    RETURNS (Model[List[Doc], List[Floats2d]]): The model.
    """
    model: Model[list[Doc], list[Floats2d]] = Model(
        "gazetteer_features",
        _forward,
        init=_init,
        layers=[tok2vec, Linear(width, N_FEATURES, init_W=zero_init)],
        dims={"nO": width},
        attrs={"feature_dropout": dropout, "spans_key": spans_key},
    )
    model.set_ref("tok2vec", tok2vec)
    return model


def _init(
    model: Model[list[Doc], list[Floats2d]],
    X: list[Doc] | None = None,
    Y: list[Floats2d] | None = None,
) -> None:
    tok2vec, linear = model.layers
    tok2vec.initialize(X=X)
    if X and model.has_dim("nO") is None:
        width = tok2vec.predict(X[:1])[0].shape[1]
        model.set_dim("nO", width)
        linear.set_dim("nO", width)
    linear.initialize()


def _forward(
    model: Model[list[Doc], list[Floats2d]], docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], Any]]:
    tok2vec, linear = model.layers
    vectors, backprop_tok2vec = tok2vec(docs, is_train)
    hidden = model.attrs["feature_dropout"] if is_train else 0.0
    known = [features(doc, model.attrs["spans_key"], hidden) for doc in docs]
    flat = model.ops.asarray2f(numpy.concatenate(known)) if known else model.ops.alloc2f(0, 0)
    if not flat.any():
        return vectors, backprop_tok2vec
    added, backprop_linear = linear(flat, is_train)
    lengths = model.ops.asarray1i([len(doc) for doc in docs])
    parts = model.ops.unflatten(added, lengths)

    def backprop(d_vectors: list[Floats2d]) -> Any:
        backprop_linear(model.ops.flatten(d_vectors))
        return backprop_tok2vec(d_vectors)

    # An empty document's vectors may have no width either.
    joined = zip(vectors, parts, strict=True)
    return [vector + part if part.size else vector for vector, part in joined], backprop


def features(doc: Doc, spans_key: str = "gazetteer", hidden: float = 0.0) -> Any:
    """The features of a document's tokens.

    doc (Doc): The document, with marks or without.
    spans_key (str): The span group with the marks.
    hidden (float): Probability that a mark is left out; and that all are.
    RETURNS (Floats2d): A row of zeros and ones for each token.
    """
    rows = numpy.zeros((len(doc), N_FEATURES), dtype="f")
    group = doc.spans.get(spans_key, ())
    if not len(group) or (hidden and numpy.random.random() < hidden):
        return rows
    attrs = group.attrs
    nothing: Sequence[bool] = [False] * len(group)
    for span, kind, candidates, analyte, laboratory in zip(
        group,
        attrs["kinds"],
        attrs["candidates"],
        attrs.get("analytes", nothing),
        attrs.get("laboratory", nothing),
        strict=True,
    ):
        if hidden and numpy.random.random() < hidden:
            continue
        number = KINDS.index(kind)
        rows[span.start, BEGINS + number] = 1
        rows[span.start + 1 : span.end, GOES_ON + number] = 1
        rows[span.start : span.end, AMBIGUOUS] = len(candidates) > 1
        rows[span.start : span.end, ANALYTE] = analyte
        rows[span.start : span.end, LABORATORY] = laboratory
    return rows
