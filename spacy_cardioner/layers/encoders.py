"""Several encoders side by side."""

# No `from __future__ import annotations`: configs are checked against the types of the registered
# function, which must not be strings.
from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import Model, concatenate
from thinc.types import Floats2d


@registry.architectures("spacy_cardioner.Encoders.v1")
def create_encoders(
    tok2vec: Model[list[Doc], list[Floats2d]], count: int
) -> Model[list[Doc], list[Floats2d]]:
    """Registered function: encoders of one kind, each with weights of its own.

    A token's vector is theirs, one after another. A head that is linear in it adds up what a head
    for each encoder would say, so that trained pipelines become one, see `training.stacking`.

    tok2vec (Model[List[Doc], List[Floats2d]]): The first of them.
    count (int): How many they are.
    RETURNS (Model[List[Doc], List[Floats2d]]): The model.
    """
    if count < 2:
        return tok2vec
    return concatenate(tok2vec, *(tok2vec.copy() for _ in range(count - 1)))
