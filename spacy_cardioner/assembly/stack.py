"""Several trained pipelines stacked into one that averages their scores.

The heads of `cardioner_ner` are linear in the vectors of the encoder. The mean of the scores that
several heads give to their own encoders is therefore what one head gives to the concatenated
vectors of all encoders. The stacked pipeline decodes, and computes probabilities from, the
weighted geometric mean of its members' distributions over tag sequences ("logarithmic opinion
pool", Smith et al. 2005, https://aclanthology.org/P05-1003). Its members can be trained
independently. It takes the time of all their encoders.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy
from spacy.language import Language
from spacy.util import load_model_from_config
from thinc.api import Model, get_array_module

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.pipeline.ner.component import MultiHeadNER

ARCHITECTURE = "spacy_cardioner.Encoders.v1"
CONCATENATE = "spacy_cardioner.Concatenate.v1"
TOK2VEC, TRANSFORMER, NER = "tok2vec", "transformer", "ner"
VECTOR_SETTINGS = ("shape", "mode", "attr", "minn", "maxn", "hash_count", "hash_seed", "bow", "eow")


def stack(pipelines: Sequence[Language], *, transformer_weight: float = 0.5) -> Language:
    """Stack pipelines into one.

    pipelines (Sequence[Language]): Pipelines with a CNN, of one config, trained with different
        seeds, with the same vectors and labels; and one with a transformer at most. The heads are
        in the component "ner", the encoders in "tok2vec" and "transformer".
    transformer_weight (float): The weight of the transformer's scores, from 0 to 1. The CNNs share
        the rest. A label that only one family has keeps its scores.
    RETURNS (Language): The stacked pipeline; its other components are those of the first CNN.
    RAISES (CardionerError): The pipelines do not go together, or their heads are not linear; the
        weight is out of range.
    """
    if not 0 < transformer_weight < 1:
        raise CardionerError("the weight of the transformer must be greater than 0 and less than 1")
    if len(pipelines) == 1:
        return pipelines[0]
    _check(pipelines)
    transformers = [nlp for nlp in pipelines if TRANSFORMER in nlp.pipe_names]
    if len(transformers) > 1:
        raise CardionerError("several pipelines have a transformer; a stack has one at most")
    cnns = [nlp for nlp in pipelines if nlp not in transformers]
    if not transformers:
        return _stack_seeds(cnns)
    [transformer] = transformers
    return _join(_stack_seeds(cnns), transformer, transformer_weight)


def _stack_seeds(pipelines: Sequence[Language]) -> Language:
    """Stack pipelines with a CNN."""
    first = pipelines[0]
    if len(pipelines) == 1:
        return first
    _check_seeds(pipelines)
    config = first.config.interpolate()
    encoder = config["components"][TOK2VEC]
    count, tok2vec = len(pipelines), encoder["model"]
    encoder["model"] = {"@architectures": ARCHITECTURE, "count": count, "tok2vec": tok2vec}
    width = sum(_heads_of(nlp).get_dim("nI") for nlp in pipelines)
    config["components"][NER]["model"]["tok2vec"]["width"] = width
    nlp = load_model_from_config(config, vocab=first.vocab)
    copy_components(first, nlp, exclude=(TOK2VEC, NER))
    _stack_encoders(nlp, pipelines)
    _stack_heads(nlp, pipelines, [1 / count] * count)
    return nlp


def _join(cnn: Language, transformer: Language, weight: float) -> Language:
    """Add the transformer of one pipeline, and what its heads learned, to another pipeline."""
    _check_families(cnn, transformer)
    config, other = cnn.config.interpolate(), transformer.config.interpolate()
    names, components = config["nlp"]["pipeline"], config["components"]
    names.insert(names.index(NER), TRANSFORMER)
    components[TRANSFORMER] = other["components"][TRANSFORMER]
    config["nlp"]["before_creation"] = other["nlp"]["before_creation"]
    members = {TOK2VEC: config, TRANSFORMER: other}
    vectors = {name: each["components"][NER]["model"]["tok2vec"] for name, each in members.items()}
    components[NER]["model"]["tok2vec"] = {"@architectures": CONCATENATE, "*": vectors}
    nlp = load_model_from_config(config, vocab=cnn.vocab)
    copy_components(cnn, nlp, exclude=(NER,))
    copy_components(transformer, nlp, exclude={*transformer.pipe_names} - {TRANSFORMER})
    layers = ner_of(nlp).model.get_ref("tok2vec").layers
    for layer, member in zip(layers, (cnn, transformer), strict=True):
        layer.from_bytes(ner_of(member).model.get_ref("tok2vec").to_bytes())
    _stack_heads(nlp, [cnn, transformer], [1 - weight, weight])
    return nlp


def copy_components(source: Language, target: Language, exclude: Collection[str] = ()) -> None:
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
    for nlp in pipelines:
        if not {TOK2VEC, TRANSFORMER} & {*nlp.pipe_names}:
            raise CardionerError(f"the pipeline has no component '{TOK2VEC}'")
        ner_of(nlp)
        if nlp.config["components"][NER]["model"]["hidden_width"]:
            raise CardionerError(f"'{NER}' has a hidden layer; only linear heads can be averaged")


def _check_seeds(pipelines: Sequence[Language]) -> None:
    first = pipelines[0]
    for nlp in pipelines:
        components = nlp.config["components"]
        if any(components[name] != first.config["components"][name] for name in (TOK2VEC, NER)):
            raise CardionerError("the configs of the pipelines differ; stack seeds of one config")
        if ner_of(nlp).labels != ner_of(first).labels:
            raise CardionerError("the labels of the pipelines differ")
        if not _same_vectors(nlp.vocab.vectors, first.vocab.vectors):
            raise CardionerError("the vectors of the pipelines differ; a pipeline has one table")


def _check_families(cnn: Language, transformer: Language) -> None:
    if TOK2VEC in transformer.pipe_names:
        raise CardionerError("the pipeline with a transformer is a stack already")
    before = transformer.pipe_names[: transformer.pipe_names.index(NER)]
    if missing := [name for name in before if name not in (TRANSFORMER, *cnn.pipe_names)]:
        raise CardionerError(
            f"the pipeline with a transformer has a component '{missing[0]}', which the others lack"
        )
    one, other = (
        (ner_of(nlp).model.attrs["decoder"], _heads_of(nlp).attrs["rows"])
        for nlp in (cnn, transformer)
    )
    if one != other:
        raise CardionerError(f"the settings decoder or token_transitions of '{NER}' differ")


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


def _stack_heads(nlp: Language, pipelines: Sequence[Language], weights: Sequence[float]) -> None:
    """Concatenate the weights of the heads, and average what does not depend on the encoder.

    weights (Sequence[float]): The weight of each pipeline. For each label, those of the pipelines
        that have it are scaled to a sum of 1.
    """
    ner, members = ner_of(nlp), [ner_of(member) for member in pipelines]
    labels = [*dict.fromkeys(label for member in members for label in member.labels)]
    shares = numpy.array([[label in member.labels for label in labels] for member in members], "f")
    shares *= numpy.array(weights, "f")[:, None]
    shares /= shares.sum(axis=0)
    parts = [
        {name: _spread(array, member.labels, labels, share) for name, array in _by_label(member)}
        for member, share in zip(members, shares, strict=True)
    ]
    heads = _heads_of(nlp)
    linear, xp = heads.layers[0], heads.ops.xp
    joined = xp.concatenate([part["W"] for part in parts], axis=2)
    size, rows, width = joined.shape
    for node in (heads, linear):
        node.set_dim("nI", width, force=True)
    for node, outputs in ((ner.model, size), (heads, size), (linear, size * rows)):
        node.set_dim("nO", outputs, force=True)
    linear.set_param("W", joined.reshape(size * rows, width))
    linear.set_param("b", sum(part["b"] for part in parts).reshape(size * rows))
    if heads.has_param("T") is not False:
        heads.set_param("T", xp.ascontiguousarray(sum(part["T"] for part in parts).T))
    counts = {label: row for member in members for label, row in member.cfg["tag_counts"].items()}
    ner.cfg.update(labels=labels, tag_counts={label: counts[label] for label in labels})
    for label in labels:
        nlp.vocab.strings.add(label)


def _by_label(ner: MultiHeadNER) -> Iterator[tuple[str, Any]]:
    """The weights of the heads, as arrays of three axes, of which the first are the labels."""
    heads: Model[Any, Any] = ner.model.get_ref("output_layer")
    linear, size = heads.layers[0], len(ner.labels)
    for name in ("W", "b"):
        weights: Any = linear.get_param(name)
        yield name, weights.reshape(size, heads.attrs["rows"], -1)
    if heads.has_param("T"):
        yield "T", heads.get_param("T").T


def _spread(array: Any, labels: Sequence[str], among: Sequence[str], share: Any) -> Any:
    """Weights by label, each times its share, with zeros for the labels that are not there."""
    xp = get_array_module(array)
    places = [among.index(label) for label in labels]
    spread = xp.zeros((len(among), *array.shape[1:]), dtype=array.dtype)
    spread[places] = array * xp.asarray(share[places])[:, None, None]
    return spread
