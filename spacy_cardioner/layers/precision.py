"""A faster encoder on a CPU: a copy that computes in bfloat16, or with weights of eight bits.

The weights that are trained and saved stay float32; the copy is made when the encoder is first
used, and again after they have changed.
"""

# No `from __future__ import annotations`: `Precision` stands in the types of a registered function,
# which configs are checked against and which must not be strings.
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, Literal

from spacy_cardioner.errors import CardionerError

Precision = Literal["float32", "bfloat16", "int8"]


class LighterCopy:
    """Keeps the copy of an encoder in lower precision, for as long as it is one."""

    def __init__(self, precision: Precision) -> None:
        """Make none yet.

        precision (str): How the copy computes. In "float32" there is none.
        """
        self.precision = precision
        self._copy: Any = None
        self._original: Any = None
        self._version = 0

    def forget(self) -> None:
        """Drop the copy, because the weights are about to change."""
        self._copy = self._original = None

    @contextmanager
    def used(self, shim: Any) -> Iterator[None]:
        """Put the copy in the place of the encoder, if that computes on a CPU.

        shim (HFShim): Where spacy-transformers keeps the encoder. It saves what stands there.
        """
        original = shim._model
        if self.precision != "float32" and original.device.type == "cpu":
            shim._model = self._get(original)
        try:
            yield
        finally:
            shim._model = original

    def _get(self, original: Any) -> Any:
        # torch counts the changes of each tensor in place, such as loading averaged weights.
        version = sum(tensor._version for tensor in original.parameters())
        if self._original is not original or self._version != version:
            self._copy = _lighter(original, self.precision)
            self._original, self._version = original, version
        return self._copy


def _lighter(encoder: Any, precision: Precision) -> Any:
    import torch

    if precision == "bfloat16":
        return deepcopy(encoder).to(torch.bfloat16)
    try:
        from torch.ao.quantization import quantize_dynamic
    except ImportError as error:
        raise CardionerError(
            f"torch {torch.__version__} has no dynamic quantisation (torch.ao.quantization); set "
            'precision = "bfloat16" or "float32", or install an older torch'
        ) from error
    return quantize_dynamic(encoder.eval(), {torch.nn.Linear}, dtype=torch.qint8)
