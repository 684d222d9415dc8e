"""Weights rounded to fewer binary digits, so that a packaged pipeline is small.

The weights stay 32-bit floating-point numbers, for which nothing has to be changed where they are
used. But a wheel is compressed, and the zeros that rounding leaves at the end of each take no room.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy
from numpy.typing import NDArray
from spacy.language import Language
from thinc.api import Model

FLOAT32_BITS = 23


def round_floats(array: NDArray[numpy.float32], bits: int) -> NDArray[numpy.float32]:
    """Round each number to so many binary digits after the leading one; ties away from zero.

    The relative error is at most ``2 ** -(bits + 1)``.

    array (NDArray[float32]): Finite numbers.
    bits (int): 1 to 23; 23 changes nothing.
    RETURNS (NDArray[float32]): A new array of the same shape.
    """
    dropped = FLOAT32_BITS - bits
    if not dropped:
        return array.copy()
    whole = numpy.ascontiguousarray(array).view(numpy.uint32)
    half = numpy.uint32(1 << (dropped - 1))
    rounded = (whole + half) >> numpy.uint32(dropped) << numpy.uint32(dropped)
    return rounded.view(numpy.float32)


def round_weights(nlp: Language, *, weight_bits: int, vector_bits: int) -> None:
    """Round the weights of all trained components, and the word vectors.

    nlp (Language): The pipeline, changed in place.
    weight_bits (int): For the components' weights, see `round_floats`.
    vector_bits (int): For the vectors, of which a model uses sums and products of many.
    """
    for node in _nodes(nlp):
        for name in node.param_names:
            if node.has_param(name):
                weights: Any = node.get_param(name)
                rounded: Any = round_floats(weights, weight_bits)
                node.set_param(name, rounded)
    vectors = nlp.vocab.vectors
    if vectors.size:
        vectors.data = round_floats(vectors.data, vector_bits)


def _nodes(nlp: Language) -> Iterator[Model[Any, Any]]:
    for _, pipe in nlp.components:
        model = getattr(pipe, "model", None)
        if isinstance(model, Model):
            yield from model.walk()
