"""The encoder of the transformer family: that of spacy-transformers, with some differences.

- No text is truncated. spacy-transformers silently drops the wordpieces of a window beyond
  ``model_max_length``. Here such a window is halved until it fits.
- A token in several windows has the vector from the window where it has most context, instead of
  the mean; a gated token, which is in none, has zeros.
- In prediction, a document is encoded as a reader sees it, see `visible`. Ignored tokens have
  zeros.
- In prediction, windows of similar length are encoded together, and only so many at once. There is
  little padding, and memory does not grow with the length of a note. On a CPU the encoder may
  compute in lower precision.
"""

# No postponed annotations: spaCy checks configs against the types of registered functions.
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

import numpy
from spacy.language import Language
from spacy.tokens import Doc, Span
from thinc.api import Model, get_current_ops
from thinc.types import Ragged

from spacy_cardioner.layers.windows import (
    GetSpans,
    Windows,
    central_alignment,
    create_context_windows,
    create_sentence_windows,
)
from spacy_cardioner.visible import View, visible

if TYPE_CHECKING:
    from spacy_transformers.data_classes import FullTransformerBatch, TransformerData

Precision = Literal["float32", "bfloat16"]

# Maximum number of wordpieces that are encoded at once in prediction, including padding.
MAX_PIECES = 8192
# Maximum number of these that are padding, on a CPU, where another call costs about as much. On a
# GPU padding is faster than another call.
MAX_PADDING = 64

# Encoders work for one thread at a time. In each call, thinc switches dropout off and on again,
# transformers changes the settings of the tokenizer, and `LighterCopy` replaces the encoder.
_ENCODING = Lock()


class LighterCopy:
    """A copy of an encoder in bfloat16, faster on a CPU; made anew when the weights change."""

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


def create_transformer_model(
    name: str,
    get_spans: GetSpans,
    tokenizer_config: dict[str, Any],
    transformer_config: dict[str, Any],
    mixed_precision: bool,
    grad_scaler_config: dict[str, Any],
    precision: Precision = "float32",
) -> "Model[list[Doc], FullTransformerBatch]":
    """Registered function: an encoder for the `transformer` component.

    The arguments are those of ``spacy-transformers.TransformerModel.v3``, and `precision`.

    tokenizer_config (dict): Settings of the tokenizer. ``model_max_length`` is the maximum number
        of wordpieces in a window, including special ones.
    mixed_precision (bool): Compute in half precision, on a CUDA GPU only.
    precision (str): Precision of the encoder in prediction on a CPU: "float32", or "bfloat16" for
        processors that support it. Weights are always saved in float32.
    """
    from spacy_transformers.architectures import create_TransformerModel_v3

    model: Any = create_TransformerModel_v3(
        name,
        get_spans,
        tokenizer_config,
        transformer_config,
        mixed_precision and get_current_ops().name == "cupy",
        dict(grad_scaler_config),
    )
    model.attrs["get_spans"] = partial(fitting_windows, get_spans, model)
    model._func = forward
    model.layers[0]._func = partial(_encode, LighterCopy(precision))
    return model


def create_set_windows(
    windows: Literal["context", "sentence"], window: int, context: int, pipe: str = "transformer"
) -> Callable[[Language], Language]:
    """Create the callback `spacy_cardioner.set_windows.v1` for `[nlp.after_pipeline_creation]`.

    It changes the windows of a sourced encoder. It names no span getter, because that registry does
    not exist until spacy-transformers is imported.

    windows (str): "context" for `create_context_windows`, "sentence" for `create_sentence_windows`.
    """
    create = create_context_windows if windows == "context" else create_sentence_windows
    get_spans = create(window, context)

    def set_windows(nlp: Language) -> Language:
        model: Any = nlp.get_pipe(pipe).model  # type: ignore[attr-defined]
        model.attrs["get_spans"] = partial(fitting_windows, get_spans, model)
        return nlp

    return set_windows


def forward(
    model: "Model[list[Doc], FullTransformerBatch]", docs: list[Doc], is_train: bool
) -> "tuple[FullTransformerBatch, Callable[..., Any]]":
    """Encode documents, and align each token with the window where it has most context."""
    if is_train:
        return _encode_docs(model, docs, is_train)
    views = [visible(doc) for doc in docs]
    batch, backprop = _encode_docs(model, [view.doc for view in views], is_train)
    for doc, view, data in zip(docs, views, batch.doc_data, strict=True):
        if not view.is_whole:
            data.align = _spread(data.align, view, len(doc))
    return batch, backprop


def _encode_docs(
    model: "Model[list[Doc], FullTransformerBatch]", docs: list[Doc], is_train: bool
) -> "tuple[FullTransformerBatch, Callable[..., Any]]":
    from spacy_transformers.data_classes import FullTransformerBatch
    from spacy_transformers.layers.transformer_model import forward as encode

    if not any(map(len, docs)):
        return FullTransformerBatch.empty(len(docs)), lambda d_output: docs
    with _ENCODING:
        batch, backprop = encode(model, docs, is_train)
    row = batch.wordpieces.input_ids.shape[1]
    batch.align = central_alignment(docs, batch.spans, batch.align, row)
    batch.cached_doc_data = list(_split(docs, batch, row))
    return batch, backprop


def _spread(align: Ragged, view: View, length: int) -> Ragged:
    """The wordpieces of all tokens of a document, given those of its view."""
    lengths: Any = numpy.zeros(length, dtype=align.lengths.dtype)
    lengths[list(view.places)] = align.lengths
    return Ragged(align.dataXd, lengths)


def _split(docs: list[Doc], batch: "FullTransformerBatch", row: int) -> "Iterator[TransformerData]":
    """Split the output by document.

    spacy-transformers omits tokens before the first window of a document and after the last.
    """
    first_token = first_piece = 0
    for doc, spans, data in zip(docs, batch.spans, batch.split_by_doc(), strict=True):
        aligned = batch.align[first_token : first_token + len(doc)]
        data.align = Ragged(aligned.dataXd - first_piece, aligned.lengths)
        first_token += len(doc)
        first_piece += len(spans) * row
        yield data


def fitting_windows(get_spans: GetSpans, model: Any, docs: list[Doc]) -> Windows:
    """Split documents into windows that are not too long for the encoder.

    A single token that is too long remains: the encoder truncates it.
    """
    return [list(_halve_oversized(windows, model.tokenizer)) for windows in get_spans(docs)]


def _halve_oversized(windows: Sequence[Span], tokenizer: Any) -> Iterable[Span]:
    """Split windows that are too long into halves that share a quarter of the tokens as context."""
    texts = [window.text for window in windows]
    pieces = tokenizer(texts, verbose=False)["input_ids"] if texts else []
    for window, ids in zip(windows, pieces, strict=True):
        if len(ids) <= tokenizer.model_max_length or len(window) == 1:
            yield window
        else:
            middle, context = len(window) // 2, len(window) // 8
            halves = [window[: middle + context], window[middle - context :]]
            yield from _halve_oversized(halves, tokenizer)


def _encode(
    lighter: LighterCopy, model: Model, pieces: Any, is_train: bool
) -> tuple[Any, Callable[..., Any]]:
    """Run the encoder, in prediction on batches of the windows, the shortest first."""
    from thinc.layers.pytorchwrapper import forward as run

    if is_train:  # in one batch: mixed precision scales gradients again with each batch
        lighter.forget()
        return run(model, pieces, is_train)
    lengths = pieces.attention_mask.sum(axis=1).astype(int)
    padding = MAX_PIECES if get_current_ops().name == "cupy" else MAX_PADDING
    outputs = []
    with lighter.used(model.shims[0]):
        for part in _batches(lengths, padding):
            short = _select(pieces, part, int(lengths[part].max()))
            outputs.append((part, run(model, short, False)[0]))
    return _join(outputs, pieces.input_ids.shape), lambda d_output: d_output


def _batches(lengths: Any, padding: int) -> Iterator[Any]:
    """Split windows, sorted by length, into batches of indices with at most so much padding."""
    order = numpy.argsort(lengths, kind="stable")
    start = total = 0
    for end, length in enumerate(lengths[order].tolist()):
        size = (end + 1 - start) * length
        total += length
        if end > start and (size > MAX_PIECES or size - total > padding):
            yield order[start:end]
            start, total = end, length
    yield order[start:]


def _select(pieces: Any, part: Any, length: int) -> Any:
    """The wordpieces of some windows, with the padding that they need."""
    from spacy_transformers.data_classes import WordpieceBatch

    types = pieces.token_type_ids
    return WordpieceBatch(
        strings=[pieces.strings[i][:length] for i in part],
        input_ids=pieces.input_ids[part, :length],
        attention_mask=pieces.attention_mask[part, :length],
        lengths=[pieces.lengths[i] for i in part],
        token_type_ids=None if types is None else types[part, :length],
    )


def _join(outputs: Sequence[tuple[Any, Any]], shape: tuple[int, int]) -> Any:
    """The vectors of all windows in their original order, with zeros for padding."""
    import torch
    from transformers.modeling_outputs import BaseModelOutput

    vectors = outputs[0][1].last_hidden_state
    joined = vectors.new_zeros((*shape, vectors.shape[-1]), dtype=torch.float32)
    for part, output in outputs:
        vectors = output.last_hidden_state
        joined[part, : vectors.shape[1]] = vectors.float()
    return BaseModelOutput(last_hidden_state=joined)
