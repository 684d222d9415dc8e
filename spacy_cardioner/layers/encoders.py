"""Several stacked encoders."""

# No postponed annotations: spaCy checks configs against the types of registered functions.
from itertools import accumulate

from spacy.tokens import Doc
from thinc.api import Model

from spacy_cardioner.layers import Backprop, Tok2Vec, Vectors


def create_encoders(tok2vec: Tok2Vec, count: int) -> Tok2Vec:
    """Registered function: encoders of one architecture, each with its own weights.

    The vector of a token is the concatenation of theirs. A linear head adds up what a head on each
    encoder would predict, so that several trained pipelines become one, see `assembly.stack`. In
    prediction they run one after another, in the memory of one.

    tok2vec (Tok2Vec): The first encoder.
    count (int): The number of encoders.
    """
    layers = [tok2vec, *(tok2vec.copy() for _ in range(count - 1))]
    return Model("encoders", _forward, init=_init, layers=layers, dims={"nO": None})


def _init(model: Tok2Vec, X: list[Doc] | None = None, Y: Vectors | None = None) -> None:
    for layer in model.layers:
        layer.initialize(X=X, Y=Y)
    model.set_dim("nO", sum(layer.get_dim("nO") for layer in model.layers))


def _forward(model: Tok2Vec, docs: list[Doc], is_train: bool) -> tuple[Vectors, Backprop]:
    xp = model.ops.xp
    if not is_train:
        # `predict` frees what a layer stores for backpropagation.
        found = [layer.predict(docs) for layer in model.layers]
        return [xp.hstack(rows) for rows in zip(*found, strict=True)], lambda gradients: []
    vectors, callbacks = zip(*(layer(docs, is_train) for layer in model.layers), strict=True)
    bounds = list(accumulate(layer.get_dim("nO") for layer in model.layers))[:-1]

    def backprop(gradients: Vectors) -> list[Doc]:
        parts = [xp.split(gradient, bounds, axis=1) for gradient in gradients]
        for callback, own in zip(callbacks, zip(*parts, strict=True), strict=True):
            callback([model.ops.as_contig(rows) for rows in own])
        return []

    return [xp.hstack(rows) for rows in zip(*vectors, strict=True)], backprop
