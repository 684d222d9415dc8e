"""The encoder of the transformer family: spacy-transformers' own, which here cuts off no text.

spacy-transformers takes windows of tokens, and silently drops the wordpieces of a window beyond
``model_max_length``: tables of numbers and words unknown to the encoder lose text that way. Here
such a window is halved until it fits, so that every token keeps its wordpieces.
"""

# No `from __future__ import annotations`: configs are checked against the types of the registered
# function, which must not be strings.
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from spacy.tokens import Doc, Span
from spacy.util import registry
from thinc.api import Model, get_current_ops

if TYPE_CHECKING:
    from spacy_transformers.data_classes import FullTransformerBatch

TRANSFORMER = "spacy_cardioner.TransformerModel.v1"

Windows = list[list[Span]]


@registry.architectures(TRANSFORMER)
def create_transformer_model(
    name: str,
    get_spans: Callable[[list[Doc]], Windows],
    tokenizer_config: dict[str, Any],
    transformer_config: dict[str, Any],
    mixed_precision: bool,
    grad_scaler_config: dict[str, Any],
) -> "Model[list[Doc], FullTransformerBatch]":
    """Registered function: an encoder for the `transformer` component.

    The arguments are those of ``spacy-transformers.TransformerModel.v3``.

    name (str): Name of a Hugging Face model, or the path of a folder that holds one.
    get_spans (Callable): Cuts documents into windows of tokens.
    tokenizer_config (dict): Settings of the encoder's tokenizer; ``model_max_length`` is the most
        wordpieces that a window may have, special ones included.
    transformer_config (dict): Settings of the encoder.
    mixed_precision (bool): Compute in half precision on a CUDA GPU. Left out elsewhere, where the
        scaling of gradients that it needs does not work.
    grad_scaler_config (dict): Settings of that scaling.
    RETURNS (Model): The encoder.
    """
    from spacy_transformers.architectures import create_TransformerModel_v3

    model = create_TransformerModel_v3(
        name,
        get_spans,
        tokenizer_config,
        transformer_config,
        mixed_precision and get_current_ops().name == "cupy",
        dict(grad_scaler_config),
    )
    model.attrs["get_spans"] = partial(fitting_windows, get_spans, model)
    return model


def fitting_windows(
    get_spans: Callable[[list[Doc]], Windows], model: Any, docs: list[Doc]
) -> Windows:
    """Cut documents into windows, none of which is too long for the encoder.

    A single token that is too long stays whole; the encoder reads its beginning.

    get_spans (Callable): Cuts documents into windows of tokens.
    model (TransformerModel): The encoder, for its tokenizer.
    docs (list[Doc]): The documents.
    RETURNS (list[list[Span]]): The windows of each document.
    """
    return [list(_halve_oversized(windows, model.tokenizer)) for windows in get_spans(docs)]


def _halve_oversized(windows: Sequence[Span], tokenizer: Any) -> Iterable[Span]:
    texts = [window.text for window in windows]
    pieces = tokenizer(texts, verbose=False)["input_ids"] if texts else []
    for window, ids in zip(windows, pieces, strict=True):
        if len(ids) <= tokenizer.model_max_length or len(window) == 1:
            yield window
        else:
            middle = len(window) // 2
            yield from _halve_oversized([window[:middle], window[middle:]], tokenizer)
