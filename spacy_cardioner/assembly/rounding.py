"""Weights rounded to a grid, so that a packaged pipeline is small.

The weights stay 32-bit floats, and nothing changes where they are used. A wheel is compressed: few
distinct numbers, which end in zeros, take little space.
"""

from __future__ import annotations

from math import floor, log2
from typing import Any

import numpy
from numpy.typing import NDArray
from spacy.language import Language
from thinc.api import Model


def round_floats(array: NDArray[numpy.float32], bits: int) -> NDArray[numpy.float32]:
    """Round each number to the nearest multiple of a power of two, ties to even.

    The step is the standard deviation of all numbers, rounded down to a power of two and halved
    `bits` times.

    RETURNS (NDArray[float32]): A new array; no number changes by more than half a step.
    """
    deviation = float(array.std(dtype="f8"))
    if not deviation:
        return array.copy()
    step = 2.0 ** (floor(log2(deviation)) - bits)
    return (numpy.rint(array / step) * step).astype(numpy.float32)


def _round_module(module: Any, bits: int) -> None:
    """Round the weights of a module of torch, the encoder of a transformer, in place."""
    for weights in module.parameters():
        rounded = round_floats(weights.detach().numpy(), bits)
        weights.data = weights.new_tensor(rounded)


def round_weights(nlp: Language, *, weight_bits: int, vector_bits: int) -> None:
    """Round the weights of all trained components, and the word vectors, in place.

    weight_bits, vector_bits (int): See `round_floats`. Vectors need fewer: that of a word is the
        mean of many rows, in which errors average out.
    """
    for _, pipe in nlp.components:
        model = getattr(pipe, "model", None)
        for node in model.walk() if isinstance(model, Model) else ():
            for name in node.param_names:
                if node.has_param(name):
                    weights: Any = node.get_param(name)
                    rounded: Any = round_floats(weights, weight_bits)
                    node.set_param(name, rounded)
            for shim in node.shims:
                _round_module(shim._model, weight_bits)
    vectors = nlp.vocab.vectors
    if vectors.size:
        vectors.data = round_floats(vectors.data, vector_bits)
