"""Several encoders side by side."""

# No postponed annotations: spaCy checks configs against the types of registered functions.
from collections.abc import Iterator
from itertools import accumulate, groupby
from typing import Any

from spacy.tokens import Doc
from thinc.api import Model, get_array_module

from spacy_cardioner.layers import Backprop, Tok2Vec, Vectors
from spacy_cardioner.layers.unique import Batch
from spacy_cardioner.visible import View, visible

# About how many tokens are encoded at once. The arrays of many more do not fit the cache of a
# processor, and the C library gives their memory back to the system each time.
AT_ONCE = 1000


def create_encoders(tok2vec: Tok2Vec, count: int) -> Tok2Vec:
    """Registered function: encoders of one architecture, each with its own weights.

    The vector of a token is the concatenation of theirs. A linear head adds up what a head on each
    encoder would predict, so that several trained pipelines become one, see `assembly.stack`. In
    prediction they run one after another, in the memory of one, and see only what a reader sees:
    the vectors of ignored tokens are zeros.

    tok2vec (Tok2Vec): The first encoder.
    count (int): The number of encoders.
    """
    layers = [tok2vec, *(tok2vec.copy() for _ in range(count - 1))]
    return Model("encoders", _forward, init=_init, layers=layers, dims={"nO": None})


def create_concatenate(*tok2vec: Tok2Vec) -> Tok2Vec:
    """Registered function: the vectors of several layers side by side.

    A linear head adds up what a head on each layer would predict, so that pipelines with different
    encoders become one, see `assembly.stack`. Unlike thinc's `concatenate`, it takes documents
    without tokens, to which the listener of a transformer gives no width.

    tok2vec (Tok2Vec): The layers, such as listeners to a CNN and to a transformer.
    """
    return Model("concatenate", _side_by_side, init=_init, layers=tok2vec, dims={"nO": None})


def _init(model: Tok2Vec, X: list[Doc] | None = None, Y: Vectors | None = None) -> None:
    for layer in model.layers:
        layer.initialize(X=X, Y=Y)
    model.set_dim("nO", sum(layer.get_dim("nO") for layer in model.layers))


def _forward(model: Tok2Vec, docs: list[Doc], is_train: bool) -> tuple[Vectors, Backprop]:
    xp = model.ops.xp
    if not is_train:
        views = [visible(doc) for doc in docs]
        batch = Batch(view.doc for view in views)
        if not any(map(len, batch)):
            width = model.get_dim("nO")
            return [model.ops.alloc2f(len(doc), width) for doc in docs], lambda gradients: []
        # `predict` frees what a layer stores for backpropagation.
        found = [_predict(layer, batch) for layer in model.layers]
        joined = [xp.hstack(rows) for rows in zip(*found, strict=True)]
        spread = [_spread(*each) for each in zip(joined, docs, views, strict=True)]
        return spread, lambda gradients: []
    return _side_by_side(model, docs, is_train)


def _side_by_side(model: Tok2Vec, docs: list[Doc], is_train: bool) -> tuple[Vectors, Backprop]:
    xp = model.ops.xp
    vectors, callbacks = zip(*(layer(docs, is_train) for layer in model.layers), strict=True)
    # The vectors of a document without tokens may have no width.
    widths = [max(rows.shape[1] for rows in each) for each in vectors]
    bounds = list(accumulate(widths))[:-1]

    def backprop(gradients: Vectors) -> list[Doc]:
        parts = [xp.split(gradient, bounds, axis=1) for gradient in gradients]
        for callback, own in zip(callbacks, zip(*parts, strict=True), strict=True):
            callback([model.ops.as_contig(rows) for rows in own])
        return []

    return [xp.hstack(rows) for rows in zip(*vectors, strict=True)], backprop


def _predict(layer: Tok2Vec, batch: Batch) -> Vectors:
    """The vectors of one encoder: words are embedded all at once, and encoded in parts."""
    steps = [layer.maybe_get_ref(name) for name in ("embed", "encode")]
    if layer.layers != steps:
        return layer.predict(batch)
    embed, encode = layer.layers
    return [rows for part in _parts(embed.predict(batch)) for rows in encode.predict(part)]


def _parts(vectors: Vectors) -> Iterator[Vectors]:
    """Divide documents into parts, each of those that end in the same thousand of tokens."""
    ends = accumulate(map(len, vectors))
    for _, part in groupby(zip(ends, vectors, strict=True), lambda each: each[0] // AT_ONCE):
        yield [rows for _, rows in part]


def _spread(rows: Any, doc: Doc, view: View) -> Any:
    """The vectors of all tokens of a document, given those of its view."""
    if view.is_whole:
        return rows
    spread = get_array_module(rows).zeros((len(doc), rows.shape[1]), dtype=rows.dtype)
    spread[list(view.places)] = rows
    return spread
