"""How deep in an encoder a parameter lies, told by its name.

Hugging Face's encoders number their layers in the names of the parameters: "encoder.layer.3.x" in
BERT and its kin, "transformer.layer.3.x", "layers.3.x", "h.3.x" or "block.3.x" in others.
"""

from __future__ import annotations

import re

EMBEDDINGS = 0

_LAYER = re.compile(r"(?:^|\.)(?:layers?|h|blocks?)\.(\d+)\.")


def depth_of(name: str) -> int | None:
    """Tell where a parameter lies.

    name (str): Name of the parameter in its encoder.
    RETURNS (int | None): 0 for the embeddings, 1 for the first layer and so on; None for all that
        belongs to no layer, and for parameters of other models.
    """
    if found := _LAYER.search(name):
        return int(found[1]) + 1
    return EMBEDDINGS if "embeddings" in name else None
