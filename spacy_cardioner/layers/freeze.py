"""Freezing a part of the encoder: its weights stay as they are and cost no training time.

The fewer weights are trained, the less they can fit what the training documents have by chance.
"""

# No `from __future__ import annotations`: configs are checked against the types of the registered
# function, which must not be strings.
from collections.abc import Callable
from typing import Any

from spacy.language import Language

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.layers.depth import EMBEDDINGS, depth_of

FREEZE = "spacy_cardioner.freeze_encoder.v1"


def create_freeze_encoder(
    last_layers: int | None = None, pipe: str = "transformer"
) -> Callable[[Language], Language]:
    """Registered function: freeze the embeddings of an encoder, or all but its last layers.

    It stands under ``[initialize.after_init]``. What is frozen is not saved with the pipeline: a
    second stage freezes again what its own config says.

    last_layers (Optional[int]): Train the last so many layers alone. None trains all layers and
        freezes the embeddings.
    pipe (str): Name of the encoder in the pipeline.
    RETURNS (Callable): Takes the pipeline and gives it back.
    """

    def freeze(nlp: Language) -> Language:
        component: Any = nlp.get_pipe(pipe)
        parameters = dict(component.model.transformer.named_parameters())
        n_layers = max(depth_of(name) or 0 for name in parameters)
        if last_layers is not None and not 1 <= last_layers <= n_layers:
            raise CardionerError(
                f"{FREEZE}: last_layers is {last_layers}, and the encoder has {n_layers} layers; "
                f"to train no layer at all, put '{pipe}' under training.frozen_components and "
                "training.annotating_components"
            )
        deepest = EMBEDDINGS if last_layers is None else n_layers - last_layers
        for name, parameter in parameters.items():
            depth = depth_of(name)
            parameter.requires_grad_(depth is None or depth > deepest)
        return nlp

    return freeze
