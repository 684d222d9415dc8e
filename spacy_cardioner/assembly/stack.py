"""Several trained pipelines stacked into one that averages their scores.

The heads of `cardioner_ner` are linear in the vectors of the encoder. The mean of the scores that
several heads give to their own encoders is therefore what one head gives to the concatenated
vectors of all encoders. The stacked pipeline decodes, and computes probabilities from, the
geometric mean of its members' distributions over tag sequences ("logarithmic opinion pool", Smith
et al. 2005, https://aclanthology.org/P05-1003). Its members can be trained independently. It takes
the time of all their encoders.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spacy.language import Language
from spacy.util import load_model_from_config
from thinc.api import Model

from spacy_cardioner.errors import CardionerError

ARCHITECTURE = "spacy_cardioner.Encoders.v1"
FACTORY = "cardioner_ner"
TOK2VEC, NER = "tok2vec", "ner"
VECTOR_SETTINGS = ("shape", "mode", "attr", "minn", "maxn", "hash_count", "hash_seed", "bow", "eow")


def stack(pipelines: Sequence[Language]) -> Language:
    """Stack pipelines into one.

    pipelines (Sequence[Language]): Pipelines of one config, trained with different seeds, with the
        same vectors and labels. The heads are in the component "ner", the encoder in "tok2vec".
    RETURNS (Language): The stacked pipeline; its other components are those of the first. A single
        pipeline is returned as it is.
    RAISES (CardionerError): The pipelines differ, or their heads are not linear.
    """
    first = pipelines[0]
    if len(pipelines) == 1:
        return first
    _check(pipelines)
    config = first.config.interpolate()
    encoder = config["components"][TOK2VEC]
    encoder["model"] = {
        "@architectures": ARCHITECTURE,
        "count": len(pipelines),
        "tok2vec": encoder["model"],
    }
    width = sum(heads_of(nlp).get_dim("nI") for nlp in pipelines)
    config["components"][NER]["model"]["tok2vec"]["width"] = width
    nlp = load_model_from_config(config, vocab=first.vocab)
    copy_components(first, nlp, exclude=(TOK2VEC, NER))
    _stack_encoders(nlp, pipelines)
    _stack_heads(nlp, pipelines)
    return nlp


def copy_components(source: Language, target: Language, exclude: Sequence[str] = ()) -> None:
    """Copy the weights and data of components from one pipeline to another with the same ones."""
    for name, pipe in source.components:
        if name not in exclude and hasattr(pipe, "to_bytes"):
            saved = pipe.to_bytes(exclude=["vocab"])
            target.get_pipe(name).from_bytes(saved, exclude=["vocab"])  # type: ignore[attr-defined]


def heads_of(nlp: Language) -> Model[Any, Any]:
    """The layer with the heads of a pipeline's `cardioner_ner`."""
    model: Model[Any, Any] = nlp.get_pipe(NER).model  # type: ignore[attr-defined]
    return model.get_ref("output_layer")


def _check(pipelines: Sequence[Language]) -> None:
    first = pipelines[0]
    for nlp in pipelines:
        if missing := [name for name in (TOK2VEC, NER) if name not in nlp.pipe_names]:
            raise CardionerError(
                f"a pipeline has no component '{missing[0]}', and cannot be stacked"
            )
        if nlp.get_pipe_meta(NER).factory != FACTORY:
            raise CardionerError(f"'{NER}' is not a {FACTORY}: only its heads can be averaged")
        if nlp.config["components"][NER]["model"]["hidden_width"]:
            raise CardionerError(f"'{NER}' has a hidden layer; only linear heads can be averaged")
        components = nlp.config["components"]
        if any(components[name] != first.config["components"][name] for name in (TOK2VEC, NER)):
            raise CardionerError("the configs of the pipelines differ; stack seeds of one config")
        if nlp.get_pipe(NER).labels != first.get_pipe(NER).labels:  # type: ignore[attr-defined]
            raise CardionerError("the labels of the pipelines differ")
        if not _same_vectors(nlp.vocab.vectors, first.vocab.vectors):
            raise CardionerError("the vectors of the pipelines differ; a pipeline has one table")


def _same_vectors(one: Any, other: Any) -> bool:
    """Whether two tables give the same vectors; their classes may differ."""
    same = all(getattr(one, name) == getattr(other, name) for name in VECTOR_SETTINGS)
    return same and bool((one.data == other.data).all())


def _stack_encoders(nlp: Language, pipelines: Sequence[Language]) -> None:
    model: Model[Any, Any] = nlp.get_pipe(TOK2VEC).model  # type: ignore[attr-defined]
    members = [nlp.get_pipe(TOK2VEC).model for nlp in pipelines]  # type: ignore[attr-defined]
    for layer, member in zip(model.layers, members, strict=True):
        layer.from_bytes(member.to_bytes())
    model.set_dim("nO", sum(member.get_dim("nO") for member in members), force=True)


def _stack_heads(nlp: Language, pipelines: Sequence[Language]) -> None:
    """Concatenate the weights of the heads, and average what does not depend on the encoder."""
    pipe: Any = nlp.get_pipe(NER)
    first: Any = pipelines[0].get_pipe(NER)
    pipe.cfg.update(first.cfg)
    heads, members = heads_of(nlp), [heads_of(member) for member in pipelines]
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
