"""An encoder small enough to be made in a test, and what goes through it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy
from spacy.language import Language
from spacy.training import Example

MAX_WORDPIECES = 256


def save_tiny_encoder(folder: Path, texts: Sequence[str], *, layers: int = 2) -> Path:
    """Write a tiny RoBERTa, untrained, whose tokenizer was trained on the texts."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaConfig, RobertaModel, RobertaTokenizerFast

    bpe = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    bpe.train_from_iterator(texts, vocab_size=800, special_tokens=special, show_progress=False)
    bpe.save_model(str(folder))
    tokenizer = RobertaTokenizerFast.from_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=MAX_WORDPIECES + 2,
    )
    RobertaModel(config).save_pretrained(str(folder))
    return folder


def encoder_config(folder: Path, windows: dict[str, Any]) -> dict[str, Any]:
    """The config of a `transformer` component with this encoder and these windows."""
    return {
        "model": {
            "@architectures": "spacy_cardioner.TransformerModel.v1",
            "name": str(folder),
            "tokenizer_config": {"use_fast": True, "model_max_length": MAX_WORDPIECES},
            "transformer_config": {},
            "mixed_precision": False,
            "grad_scaler_config": {},
            "get_spans": windows,
        }
    }


LISTENER = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "grad_factor": 1.0,
    "pooling": {"@layers": "reduce_mean.v1"},
}


def step(nlp: Language, examples: list[Example], sgd: Any) -> None:
    """One step of a training, as spaCy's loop does it: first all gradients, then all updates."""
    nlp.update(examples, sgd=False)  # type: ignore[arg-type]
    for _, component in nlp.pipeline:
        if getattr(component, "is_trainable", False):
            component.finish_update(sgd)  # type: ignore[attr-defined]
    sgd.step_schedules()


@contextmanager
def encoded(component: Any) -> Iterator[list[Any]]:
    """Collect the attention masks of all batches that reach the encoder."""
    masks: list[Any] = []

    def note(module: Any, args: Any, kwargs: Any) -> None:
        masks.append(kwargs["attention_mask"].cpu().numpy())

    handle = component.model.transformer.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield masks
    finally:
        handle.remove()


def n_pieces(masks: list[Any]) -> int:
    """Wordpieces in all batches, padding not included."""
    return int(sum(numpy.sum(mask) for mask in masks))
