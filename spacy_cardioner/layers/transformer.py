"""The encoder of the transformer family: spacy-transformers' own, with three differences.

- No text is cut off. spacy-transformers silently drops the wordpieces of a window beyond
  ``model_max_length``: tables of numbers and words unknown to the encoder lose text that way.
  Here such a window is halved until it fits.
- A token in several windows has not the mean of its vectors, but the one from the window where it
  has most context; a token in none, which a sentence gate has spared the encoder, has zeros.
- Outside training, windows of about the same length are encoded together, and only so many at
  once: the memory that a note takes does not grow with its length.
"""

# No `from __future__ import annotations`: configs are checked against the types of the registered
# function, which must not be strings.
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy
from spacy.tokens import Doc, Span
from spacy.util import registry
from thinc.api import Model, get_current_ops
from thinc.types import Ragged

from spacy_cardioner.layers.windows import Windows, central_alignment

if TYPE_CHECKING:
    from spacy_transformers.data_classes import FullTransformerBatch, TransformerData

TRANSFORMER = "spacy_cardioner.TransformerModel.v1"

# Most wordpieces that are encoded at once outside training, padding included.
MAX_PIECES = 8192


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
    model.layers[0]._func = _encode
    return model


def forward(
    model: "Model[list[Doc], FullTransformerBatch]", docs: list[Doc], is_train: bool
) -> "tuple[FullTransformerBatch, Callable[..., Any]]":
    """Encode documents, and give each token the wordpieces of the window where it is central."""
    from spacy_transformers.layers.transformer_model import forward as encode

    batch, backprop = encode(model, docs, is_train)
    row = batch.wordpieces.input_ids.shape[1]
    batch.align = central_alignment(docs, batch.spans, batch.align, row)
    batch.cached_doc_data = list(_split(docs, batch, row))
    return batch, backprop


def _split(docs: list[Doc], batch: "FullTransformerBatch", row: int) -> "Iterator[TransformerData]":
    """Share the output among the documents.

    spacy-transformers leaves out the tokens before the first window of a document and after the
    last, which have no wordpieces here.
    """
    first_token = first_piece = 0
    for doc, spans, data in zip(docs, batch.spans, batch.split_by_doc(), strict=True):
        aligned = batch.align[first_token : first_token + len(doc)]
        data.align = Ragged(aligned.dataXd - first_piece, aligned.lengths)
        first_token += len(doc)
        first_piece += len(spans) * row
        yield data


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
    """Cut windows that are too long into halves that share a quarter of the tokens as context."""
    texts = [window.text for window in windows]
    pieces = tokenizer(texts, verbose=False)["input_ids"] if texts else []
    for window, ids in zip(windows, pieces, strict=True):
        if len(ids) <= tokenizer.model_max_length or len(window) == 1:
            yield window
        else:
            middle, context = len(window) // 2, len(window) // 8
            halves = [window[: middle + context], window[middle - context :]]
            yield from _halve_oversized(halves, tokenizer)


def _encode(model: Model, pieces: Any, is_train: bool) -> tuple[Any, Callable[..., Any]]:
    """Run the encoder. Outside training it runs on parts of the windows, the shortest ones first.

    In training the windows go together: mixed precision would scale the gradients of parts again
    with each part that follows.
    """
    from thinc.layers.pytorchwrapper import forward as run

    lengths = pieces.attention_mask.sum(axis=1).astype(int)
    parts = list(_parts(lengths))
    if is_train or len(parts) < 2:
        return run(model, pieces, is_train)
    outputs = []
    for part in parts:
        short = _select(pieces, part, int(lengths[part].max()))
        outputs.append((part, run(model, short, False)[0]))
    return _join(outputs, pieces.input_ids.shape), lambda d_output: d_output


def _parts(lengths: Any) -> Iterator[Any]:
    """Share out windows, sorted by length, so that each part has few wordpieces with its padding.

    lengths (Array): Wordpieces of each window.
    YIELDS (Array): Numbers of the windows of a part.
    """
    order = numpy.argsort(lengths, kind="stable")
    start = 0
    for end in range(1, len(order) + 1):
        full = end < len(order) and (end + 1 - start) * lengths[order[end]] > MAX_PIECES
        if full or end == len(order):
            yield order[start:end]
            start = end


def _select(pieces: Any, part: Any, length: int) -> Any:
    """The wordpieces of some windows, with no more padding than they need."""
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
    """The vectors of all windows in their own order, with zeros for padding."""
    from transformers.modeling_outputs import BaseModelOutput

    vectors = outputs[0][1].last_hidden_state
    joined = vectors.new_zeros((*shape, vectors.shape[-1]))
    for part, output in outputs:
        vectors = output.last_hidden_state
        joined[part, : vectors.shape[1]] = vectors
    return BaseModelOutput(last_hidden_state=joined)
