"""Matrix multiplication by numpy for the models of a pipeline on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from thinc.api import Model, NumpyOps

if TYPE_CHECKING:
    from spacy.language import Language


def create_use_numpy_blas() -> Callable[[Language], Language]:
    """Create the callback `spacy_cardioner.use_numpy_blas.v1` for `[nlp.after_pipeline_creation]`.

    thinc multiplies matrices with BLIS, which has no kernels for processors newer than AVX2.
    numpy's BLAS is two to three times as fast on these, and gives the same results except for
    rounding. Only the models of this pipeline change, and only those that compute on a CPU.
    """

    def use_numpy_blas(nlp: Language) -> Language:
        for _, component in nlp.components:
            if isinstance(model := getattr(component, "model", None), Model):
                set_numpy_blas(model)
        return nlp

    return use_numpy_blas


def set_numpy_blas(model: Model[Any, Any]) -> None:
    """Let all layers of a model that use thinc's default operations use numpy's BLAS."""
    ops = NumpyOps(use_blis=False)
    for node in model.walk():
        if type(node.ops) is NumpyOps:
            node.ops = ops
