"""The model of `cardioner_gate`: for each token, how likely it belongs to an entity."""

# No postponed annotations: spaCy checks configs against the types of registered functions.
from thinc.api import Linear, chain, with_array, zero_init

from spacy_cardioner.layers import Tok2Vec
from spacy_cardioner.layers.ops import set_numpy_blas


def create_gate_model(tok2vec: Tok2Vec) -> Tok2Vec:
    """Registered function: features, and one score for each token. It uses numpy's BLAS.

    tok2vec (Tok2Vec): The features. They must be fast: otherwise the gate does not pay.
    RETURNS (Tok2Vec): The model. Its scores are log odds.
    """
    scores = Linear(nO=1, nI=tok2vec.maybe_get_dim("nO"), init_W=zero_init)
    model: Tok2Vec = chain(tok2vec, with_array(scores))
    model.set_ref("tok2vec", tok2vec)
    set_numpy_blas(model)
    return model
