"""Operations of numpy for the models of a pipeline on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy
from thinc.api import Model, NumpyOps

from spacy_cardioner.layers.crf import Floats, Ints

if TYPE_CHECKING:
    from spacy.language import Language


class VectorOps(NumpyOps):
    """thinc's operations for a CPU, with a maximum of pieces that takes a third of its time."""

    def maxout(self, X: Any) -> tuple[Floats, Ints]:
        """Find the largest of the pieces of each number, and which it is: of equal ones the first.

        thinc compares the pieces of one number after another, and a processor cannot foresee the
        results. Here, each comparison is one of whole arrays.

        X (Floats3d): Of each row, the numbers, and the pieces of each, at most 128.
        """
        best = X[:, :, 0]
        which = numpy.zeros(best.shape, dtype="int8")
        for piece in range(1, X.shape[2]):
            larger = X[:, :, piece] > best
            which = numpy.maximum(which, larger * numpy.int8(piece))
            best = numpy.maximum(best, X[:, :, piece])
        return numpy.ascontiguousarray(best), which.astype("int32")


def create_use_numpy_blas() -> Callable[[Language], Language]:
    """Create the callback `spacy_cardioner.use_numpy_blas.v1` for `[nlp.after_pipeline_creation]`.

    thinc multiplies matrices with BLIS, which has no kernels for processors newer than AVX2.
    numpy's BLAS is two to three times as fast on these, and gives the same results except for
    rounding. The maximum of pieces is that of `VectorOps`. Only the models of this pipeline change,
    and only those that compute on a CPU.
    """

    def use_numpy_blas(nlp: Language) -> Language:
        for _, component in nlp.components:
            if isinstance(model := getattr(component, "model", None), Model):
                set_numpy_blas(model)
        return nlp

    return use_numpy_blas


def set_numpy_blas(model: Model[Any, Any]) -> None:
    """Let all layers of a model that use thinc's default operations use numpy's BLAS."""
    ops = VectorOps(use_blis=False)
    for node in model.walk():
        if type(node.ops) is NumpyOps:
            node.ops = ops
