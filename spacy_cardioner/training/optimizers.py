"""Layer-wise learning rates: the deeper a layer, the more it may change.

The lower layers of an encoder know the language in general, the upper ones what to do with it
(Howard and Ruder 2018; Sun et al. 2019; Zhang et al. 2021).
"""

# No `from __future__ import annotations`: configs are checked against the types of the registered
# function, which must not be strings.
from collections.abc import Iterator
from typing import Any

from spacy.util import registry
from thinc.optimizers import Optimizer

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.layers.depth import depth_of

LAYERWISE_ADAM = "spacy_cardioner.LayerwiseAdam.v1"

Rate = float | list[float] | Iterator


@registry.optimizers(LAYERWISE_ADAM)
def create_layerwise_adam(
    learn_rate: Rate,
    layers: int,
    decay: float,
    beta1: Rate = 0.9,
    beta2: Rate = 0.999,
    eps: Rate = 1e-8,
    L2: Rate = 0.0,
    L2_is_weight_decay: bool = True,
    grad_clip: Rate = 1.0,
    use_averages: bool = True,
) -> Optimizer:
    """Registered function: ``Adam.v1`` with a rate of its own for each layer of the encoder.

    The last layer and everything above it, such as tagging heads, have the rate that is given;
    each layer below has `decay` times the rate of the one above, and the embeddings of the first.

    learn_rate (float): The rate of the last layer.
    layers (int): How many layers the encoder has.
    decay (float): Greater than 0; with 1 all layers have the same rate.
    RETURNS (Optimizer): The optimizer; its other arguments are those of ``Adam.v1``.
    RAISES (CardionerError): There are no layers, or the decay is not from 0 to 1.
    """
    if layers < 1 or not 0 < decay <= 1:
        raise CardionerError(
            f"{LAYERWISE_ADAM}: needs layers of at least 1 and a decay greater than 0 and at most 1"
        )
    return LayerwiseAdam(
        layers,
        decay,
        learn_rate,
        beta1=beta1,
        beta2=beta2,
        eps=eps,
        L2=L2,
        L2_is_weight_decay=L2_is_weight_decay,
        grad_clip=grad_clip,
        use_averages=use_averages,
    )


class LayerwiseAdam(Optimizer):
    """thinc's optimizer, which scales its learning rate by the depth of each parameter."""

    def __init__(self, layers: int, decay: float, learn_rate: Any, **settings: Any) -> None:
        """Initialize the optimizer. `create_layerwise_adam` describes the arguments."""
        super().__init__(learn_rate, **settings)
        self.layers = layers
        self.decay = decay
        self.deepest = 0

    def __call__(
        self, key: tuple[int, str], weights: Any, gradient: Any, *, lr_scale: float = 1.0
    ) -> Any:
        """Update a parameter. The key holds its name, by which its layer is known."""
        depth = depth_of(key[1])
        if depth is not None:
            self.deepest = max(self.deepest, depth)
            lr_scale *= self.decay ** (self.layers - depth)
        return super().__call__(key, weights, gradient, lr_scale=lr_scale)

    def step_schedules(self) -> None:
        """Go on to the next step, once it is sure that the layers were counted right.

        RAISES (CardionerError): The encoder has another number of layers.
        """
        if self.deepest not in (0, self.layers):
            raise CardionerError(
                f"{LAYERWISE_ADAM}: the encoder has {self.deepest} layers; write layers = "
                f"{self.deepest} under [training.optimizer]"
            )
        super().step_schedules()
