"""The model of `cardioner_gate`: for each token, how likely it belongs to an entity."""

# No `from __future__ import annotations`: configs are checked against the types of the registered
# function, which must not be strings.
from spacy.tokens import Doc
from thinc.api import Linear, Model, chain, with_array, zero_init
from thinc.types import Floats2d

from spacy_cardioner.layers.ops import set_numpy_blas


def create_gate_model(
    tok2vec: Model[list[Doc], list[Floats2d]],
) -> Model[list[Doc], list[Floats2d]]:
    """Registered function: features, and one score for each token. It uses numpy's BLAS.

    tok2vec (Model[List[Doc], List[Floats2d]]): The features. They must be light: the gate only pays
        if it is faster than the encoder.
    RETURNS (Model[List[Doc], List[Floats2d]]): The model. Its scores are log odds.
    """
    scores = Linear(nO=1, nI=tok2vec.maybe_get_dim("nO"), init_W=zero_init)
    model: Model[list[Doc], list[Floats2d]] = chain(tok2vec, with_array(scores))
    model.set_ref("tok2vec", tok2vec)
    set_numpy_blas(model)
    return model
