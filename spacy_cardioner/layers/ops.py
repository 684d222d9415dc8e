"""Which matrix multiplication a pipeline computes with on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from thinc.api import NumpyOps, get_current_ops, set_current_ops

if TYPE_CHECKING:
    from spacy.language import Language


def create_use_numpy_blas() -> Callable[[type[Language]], type[Language]]:
    """Create the callback `spacy_cardioner.use_numpy_blas.v1`, for `[nlp.before_creation]`.

    thinc multiplies matrices with the BLIS that it brings, whose kernels know no processor since
    AVX2. numpy's own BLAS gives the same figures but for rounding, and is two to three times as
    fast on newer ones. A GPU's operations, and Apple's, stay as they are.

    RETURNS (Callable): Takes the language class and gives it back unchanged.
    """

    def use_numpy_blas(language: type[Language]) -> type[Language]:
        if type(get_current_ops()) is NumpyOps:
            set_current_ops(NumpyOps(use_blis=False))
        return language

    return use_numpy_blas
