"""A faster encoder on a CPU: a copy that computes in bfloat16. Saved weights stay float32."""

# No postponed annotations: spaCy checks configs against the types of registered functions.
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, Literal

Precision = Literal["float32", "bfloat16"]


class LighterCopy:
    """The copy of an encoder, made at its first use and again after its weights have changed."""

    def __init__(self, precision: Precision) -> None:
        self.precision = precision
        self.forget()

    def forget(self) -> None:
        """Drop the copy, because the weights are about to change."""
        self._copy: Any = None
        self._made_of: tuple[Any, int] | None = None

    @contextmanager
    def used(self, shim: Any) -> Iterator[None]:
        """Replace the encoder by the copy for a while, if it computes on a CPU.

        shim (HFShim): Where spacy-transformers keeps the encoder, and saves it from.
        """
        original = shim._model
        if self.precision != "float32" and original.device.type == "cpu":
            shim._model = self._get(original)
        try:
            yield
        finally:
            shim._model = original

    def _get(self, original: Any) -> Any:
        import torch

        # torch counts in-place changes of each tensor, such as loading averaged weights.
        version = sum(tensor._version for tensor in original.parameters())
        if self._made_of != (original, version):
            self._copy = deepcopy(original).to(torch.bfloat16)
            self._made_of = original, version
        return self._copy
