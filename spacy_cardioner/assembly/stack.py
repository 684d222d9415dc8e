"""Several trained pipelines put side by side in one, whose answer is the mean of theirs.

The heads of `cardioner_ner` are linear in the encoder's vectors. So the mean of the scores that
several heads give for their own encoders is what one head gives for the vectors of all encoders,
one after another. The pipeline decodes and weighs probabilities with those means, in other words
with the geometric mean of its members' distributions over tag sequences ("logarithmic opinion
pool", Smith et al. 2005, https://aclanthology.org/P05-1003). Unlike the mean of weights (see
`averaging`), it takes members that were trained apart from the start; and it costs the encoders of
all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spacy.language import Language
from spacy.util import load_model_from_config
from thinc.api import Model

from spacy_cardioner.errors import CardionerError

ARCHITECTURE = "spacy_cardioner.Encoders.v1"
VECTOR_SETTINGS = ("shape", "mode", "attr", "minn", "maxn", "hash_count", "hash_seed", "bow", "eow")


def stack(pipelines: Sequence[Language], *, tok2vec: str = "tok2vec", ner: str = "ner") -> Language:
    """Make one pipeline of several.

    pipelines (Sequence[Language]): Pipelines of one config, trained with other seeds, with the same
        vectors and labels.
    tok2vec (str): The component with the encoder.
    ner (str): The `cardioner_ner` that listens to it.
    RETURNS (Language): The pipeline; its other components are those of the first.
    RAISES (CardionerError): The pipelines are not made alike, or their heads are not linear.
    """
    first = pipelines[0]
    if len(pipelines) == 1:
        return first
    _check(pipelines, tok2vec, ner)
    config = first.config.interpolate()
    encoder = config["components"][tok2vec]
    encoder["model"] = {
        "@architectures": ARCHITECTURE,
        "count": len(pipelines),
        "tok2vec": encoder["model"],
    }
    width = sum(_heads(nlp, ner).get_dim("nI") for nlp in pipelines)
    config["components"][ner]["model"]["tok2vec"]["width"] = width
    nlp = load_model_from_config(config, vocab=first.vocab)
    for name, pipe in first.components:
        if name not in (tok2vec, ner) and hasattr(pipe, "to_bytes"):
            weights = pipe.to_bytes(exclude=["vocab"])  # which is the same one
            nlp.get_pipe(name).from_bytes(weights, exclude=["vocab"])  # type: ignore[attr-defined]
    _stack_encoders(nlp, pipelines, tok2vec)
    _stack_heads(nlp, pipelines, ner)
    return nlp


def _check(pipelines: Sequence[Language], tok2vec: str, ner: str) -> None:
    first = pipelines[0]
    for nlp in pipelines:
        if missing := [name for name in (tok2vec, ner) if name not in nlp.pipe_names]:
            raise CardionerError(f"a pipeline has no component '{missing[0]}' to put side by side")
        if nlp.get_pipe_meta(ner).factory != "cardioner_ner":
            raise CardionerError(f"'{ner}' is no cardioner_ner: only its heads can be added up")
        if nlp.config["components"][ner]["model"]["hidden_width"]:
            raise CardionerError(f"'{ner}' has a hidden layer; only linear heads can be added up")
        if any(
            nlp.config["components"][name] != first.config["components"][name]
            for name in (tok2vec, ner)
        ):
            raise CardionerError("the pipelines differ in their configs; take other seeds of one")
        if nlp.get_pipe(ner).labels != first.get_pipe(ner).labels:  # type: ignore[attr-defined]
            raise CardionerError("the pipelines differ in their labels")
        if not _same_vectors(nlp.vocab.vectors, first.vocab.vectors):
            raise CardionerError(
                "the pipelines differ in their vectors, of which there is one table"
            )


def _same_vectors(one: Any, other: Any) -> bool:
    """Whether two tables give the same vectors; the classes may differ."""
    same = all(getattr(one, name) == getattr(other, name) for name in VECTOR_SETTINGS)
    return same and bool((one.data == other.data).all())


def _stack_encoders(nlp: Language, pipelines: Sequence[Language], name: str) -> None:
    model: Model[Any, Any] = nlp.get_pipe(name).model  # type: ignore[attr-defined]
    members = [nlp.get_pipe(name).model for nlp in pipelines]  # type: ignore[attr-defined]
    for layer, member in zip(model.layers, members, strict=True):
        layer.from_bytes(member.to_bytes())
    model.set_dim("nO", sum(member.get_dim("nO") for member in members), force=True)


def _stack_heads(nlp: Language, pipelines: Sequence[Language], name: str) -> None:
    """Put the heads' weights side by side, and average what does not depend on the encoder."""
    pipe: Any = nlp.get_pipe(name)
    first: Any = pipelines[0].get_pipe(name)
    pipe.cfg.update(first.cfg)
    heads, members = _heads(nlp, name), [_heads(member, name) for member in pipelines]
    linear = heads.layers[0]
    for layer, like in ((heads, members[0]), (linear, members[0].layers[0])):
        layer.set_dim("nO", like.get_dim("nO"))
        layer.set_dim("nI", sum(member.get_dim("nI") for member in members), force=True)
    xp = heads.ops.xp
    weights = [member.layers[0].get_param("W") / len(members) for member in members]
    linear.set_param("W", xp.hstack(weights))
    linear.set_param("b", xp.mean(xp.stack([m.layers[0].get_param("b") for m in members]), axis=0))
    if members[0].has_param("T"):
        heads.set_param("T", xp.mean(xp.stack([m.get_param("T") for m in members]), axis=0))


def _heads(nlp: Language, name: str) -> Model[Any, Any]:
    model: Model[Any, Any] = nlp.get_pipe(name).model  # type: ignore[attr-defined]
    return model.get_ref("output_layer")
