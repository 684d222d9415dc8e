"""Frozen layers of an encoder: their weights do not change and cost no training time."""

# No postponed annotations: spaCy checks configs against the types of registered functions.
import re
from collections.abc import Callable
from typing import Any

from spacy.language import Language

from spacy_cardioner.errors import CardionerError

EMBEDDINGS = 0

# "encoder.layer.3.x" in BERT and similar encoders; "transformer.layer.3.x", "layers.3.x", "h.3.x"
# or "block.3.x" in others.
_LAYER = re.compile(r"(?:^|\.)(?:layers?|h|blocks?)\.(\d+)\.")


def create_freeze_encoder(
    last_layers: int | None = None, pipe: str = "transformer"
) -> Callable[[Language], Language]:
    """Create the callback `spacy_cardioner.freeze_encoder.v1` for `[initialize.after_init]`.

    It is not saved with the pipeline: a second stage freezes what its own config says.

    last_layers (Optional[int]): Train only the last layers. None freezes only the embeddings.
    """

    def freeze(nlp: Language) -> Language:
        component: Any = nlp.get_pipe(pipe)
        parameters = dict(component.model.transformer.named_parameters())
        n_layers = max(depth_of(name) or 0 for name in parameters)
        if last_layers is not None and not 1 <= last_layers <= n_layers:
            raise CardionerError(
                f"last_layers is {last_layers}, and the encoder has {n_layers} layers; to "
                f"train no layer at all, put '{pipe}' under training.frozen_components and "
                "training.annotating_components"
            )
        deepest = EMBEDDINGS if last_layers is None else n_layers - last_layers
        for name, parameter in parameters.items():
            depth = depth_of(name)
            parameter.requires_grad_(depth is None or depth > deepest)
        return nlp

    return freeze


def depth_of(name: str) -> int | None:
    """The layer of a parameter, from 1; 0 for the embeddings, None for those outside layers."""
    if found := _LAYER.search(name):
        return int(found[1]) + 1
    return EMBEDDINGS if "embeddings" in name else None
