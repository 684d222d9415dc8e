"""Contextual vectors of words, from a layer of a multilingual encoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacy_cardioner.errors import CardionerError, needs, reason

Vectors = NDArray[np.float32]
# Most wordpieces in a batch, padding included.
BATCH = 4096


class Encoder:
    """A multilingual encoder of transformers.

    name (str): Its name or folder.
    layer (int): The layer whose vectors are taken; 0 are the vectors before the first layer.
    RAISES (CardionerError): The encoder cannot be loaded, or has fewer layers.
    """

    def __init__(self, name: str, layer: int) -> None:
        with needs("transformers", "trf"):
            from transformers import AutoModel, AutoTokenizer
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(name, use_fast=True)
            self.model: Any = AutoModel.from_pretrained(name).eval()
        except (OSError, ValueError, ImportError) as error:
            raise CardionerError(
                f"{name}: the encoder cannot be loaded ({reason(error)})"
            ) from error
        n_layers = self.model.config.num_hidden_layers
        if not 0 <= layer <= n_layers:
            raise CardionerError(f"{name}: has {n_layers} layers, so that --layer {layer} is none")
        self.layer = layer
        # The layers above need not run. Not all architectures name them so.
        stack: Any = getattr(getattr(self.model, "encoder", None), "layer", [])
        del stack[layer:]

    def vectors(self, sentences: Sequence[tuple[str, Sequence[tuple[int, int]]]]) -> list[Vectors]:
        """Encode each sentence alone.

        sentences (Sequence): The text of each, and the boundaries of its words in characters.
        RETURNS (list[Vectors]): Words x width for each sentence. A word without a wordpiece, or
            beyond the length of the encoder, has zeros.
        """
        if not sentences:
            return []
        import torch

        limit = min(self.tokenizer.model_max_length, 512)
        coded = self.tokenizer(
            [text for text, _ in sentences],
            truncation=True,
            max_length=limit,
            return_offsets_mapping=True,
            verbose=False,
        )
        ids, offsets = coded["input_ids"], coded["offset_mapping"]
        found: list[Any] = [None] * len(sentences)
        with torch.inference_mode():
            for batch in _batches([len(one) for one in ids]):
                padded = torch.full((len(batch), len(ids[batch[0]])), self.tokenizer.pad_token_id)
                for row, i in enumerate(batch):
                    padded[row, : len(ids[i])] = torch.tensor(ids[i])
                mask = torch.arange(padded.shape[1]) < torch.tensor([[len(ids[i])] for i in batch])
                states = self.model(padded, mask.long(), output_hidden_states=True)
                hidden = states.hidden_states[self.layer].numpy()
                for row, i in enumerate(batch):
                    found[i] = pooled(hidden[row, : len(ids[i])], offsets[i], sentences[i][1])
        return found


def pooled(
    pieces: Vectors, offsets: Sequence[tuple[int, int]], words: Sequence[tuple[int, int]]
) -> Vectors:
    """The mean vector of the wordpieces of each word.

    A wordpiece that covers characters of several words counts for each of them.

    pieces (Vectors): Wordpieces x width.
    offsets (Sequence[tuple[int, int]]): Boundaries of the wordpieces; special ones are empty.
    words (Sequence[tuple[int, int]]): Boundaries of the words.
    """
    real = [i for i, (start, end) in enumerate(offsets) if start < end]
    starts, ends = (np.array([offsets[i][side] for i in real], int) for side in (0, 1))
    sums = np.zeros((len(real) + 1, pieces.shape[1]), np.float64)
    np.cumsum(pieces[real], axis=0, out=sums[1:])
    bounds = np.array(words, int).reshape(-1, 2)
    first = np.searchsorted(ends, bounds[:, 0], side="right")
    last = np.maximum(np.searchsorted(starts, bounds[:, 1], side="left"), first)
    number = np.maximum(last - first, 1)[:, None]
    return np.asarray((sums[last] - sums[first]) / number, np.float32)


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Group sentences of about the same length, so that little is padding."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > BATCH:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
