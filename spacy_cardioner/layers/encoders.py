"""Several stacked encoders."""

# No `from __future__ import annotations`: configs are checked against the types of the registered
# function, which must not be strings.
from collections.abc import Callable
from itertools import accumulate
from typing import Any

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d


def create_encoders(
    tok2vec: Model[list[Doc], list[Floats2d]], count: int
) -> Model[list[Doc], list[Floats2d]]:
    """Registered function: encoders of one architecture, each with its own weights.

    The vector of a token is the concatenation of theirs. A linear head adds up what a head on each
    encoder would predict, so that several trained pipelines become one, see `assembly.stack`. In
    prediction they run one after another, in the memory of one.

    tok2vec (Model[List[Doc], List[Floats2d]]): The first encoder.
    count (int): The number of encoders.
    """
    layers = [tok2vec, *(tok2vec.copy() for _ in range(count - 1))]
    return Model("encoders", _forward, init=_init, layers=layers, dims={"nO": None})


def _init(
    model: Model[list[Doc], list[Floats2d]],
    X: list[Doc] | None = None,
    Y: list[Floats2d] | None = None,
) -> None:
    for layer in model.layers:
        layer.initialize(X=X, Y=Y)
    model.set_dim("nO", sum(layer.get_dim("nO") for layer in model.layers))


def _forward(
    model: Model[list[Doc], list[Floats2d]], docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], Any]]:
    xp = model.ops.xp
    if not is_train:
        # `predict` frees what a layer stores for backpropagation.
        found = [layer.predict(docs) for layer in model.layers]
        return [xp.hstack(rows) for rows in zip(*found, strict=True)], lambda gradients: []
    vectors, callbacks = zip(*(layer(docs, is_train) for layer in model.layers), strict=True)
    bounds = list(accumulate(layer.get_dim("nO") for layer in model.layers))[:-1]

    def backprop(gradients: list[Floats2d]) -> list[Doc]:
        parts = [xp.split(gradient, bounds, axis=1) for gradient in gradients]
        for callback, own in zip(callbacks, zip(*parts, strict=True), strict=True):
            callback([model.ops.as_contig(rows) for rows in own])
        return []

    return [xp.hstack(rows) for rows in zip(*vectors, strict=True)], backprop
