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
from spacy_cardioner.pipeline.ner.component import MultiHeadNER

ARCHITECTURE = "spacy_cardioner.Encoders.v1"
TOK2VEC, NER = "tok2vec", "ner"
VECTOR_SETTINGS = ("shape", "mode", "attr", "minn", "maxn", "hash_count", "hash_seed", "bow", "eow")


def stack(pipelines: Sequence[Language]) -> Language:
    """Stack pipelines into one.

    pipelines (Sequence[Language]): Pipelines of one config, trained with different seeds, with the
        same vectors and labels. The heads are in the component "ner", the encoder in "tok2vec".
    RETURNS (Language): The stacked pipeline; its other components are those of the first.
    RAISES (CardionerError): The pipelines differ, or their heads are not linear.
    """
    first = pipelines[0]
    if len(pipelines) == 1:
        return first
    _check(pipelines)
    config = first.config.interpolate()
    encoder = config["components"][TOK2VEC]
    count, tok2vec = len(pipelines), encoder["model"]
    encoder["model"] = {"@architectures": ARCHITECTURE, "count": count, "tok2vec": tok2vec}
    width = sum(_heads_of(nlp).get_dim("nI") for nlp in pipelines)
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


def ner_of(nlp: Language) -> MultiHeadNER:
    """The `cardioner_ner` of a pipeline. RAISES (CardionerError): It has none named "ner"."""
    if NER in nlp.pipe_names and isinstance(pipe := nlp.get_pipe(NER), MultiHeadNER):
        return pipe
    raise CardionerError(f"the pipeline has no cardioner_ner named '{NER}'")


def _heads_of(nlp: Language) -> Model[Any, Any]:
    return ner_of(nlp).model.get_ref("output_layer")


def _check(pipelines: Sequence[Language]) -> None:
    first = pipelines[0]
    for nlp in pipelines:
        if TOK2VEC not in nlp.pipe_names:
            raise CardionerError(f"the pipeline has no component '{TOK2VEC}'")
        labels = ner_of(nlp).labels
        components = nlp.config["components"]
        if components[NER]["model"]["hidden_width"]:
            raise CardionerError(f"'{NER}' has a hidden layer; only linear heads can be averaged")
        if any(components[name] != first.config["components"][name] for name in (TOK2VEC, NER)):
            raise CardionerError("the configs of the pipelines differ; stack seeds of one config")
        if labels != ner_of(first).labels:
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
    ner_of(nlp).cfg.update(ner_of(pipelines[0]).cfg)
    heads, members = _heads_of(nlp), [_heads_of(member) for member in pipelines]
    linear, linears = heads.layers[0], [member.layers[0] for member in members]
    for layer, likes in ((heads, members), (linear, linears)):
        layer.set_dim("nO", likes[0].get_dim("nO"))
        layer.set_dim("nI", sum(like.get_dim("nI") for like in likes), force=True)

    def mean(layers: Sequence[Model[Any, Any]], name: str) -> Any:
        return heads.ops.xp.stack([layer.get_param(name) for layer in layers]).mean(axis=0)

    weights = [layer.get_param("W") / len(linears) for layer in linears]
    linear.set_param("W", heads.ops.xp.hstack(weights))
    linear.set_param("b", mean(linears, "b"))
    if members[0].has_param("T"):
        heads.set_param("T", mean(members, "T"))
