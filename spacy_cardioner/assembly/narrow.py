"""A multilingual pipeline narrowed to one language and some labels.

A pipeline that learned from all languages may know each of them better than one trained on a single
language. Its weights do not change; the heads of other labels are dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spacy.language import Language
from spacy.util import load_model_from_config
from thinc.api import Model

from spacy_cardioner.assembly.stack import FACTORY, NER, copy_components
from spacy_cardioner.errors import CardionerError


def narrow(nlp: Language, *, lang: str, labels: Sequence[str]) -> Language:
    """Make a pipeline of another language code, with some of the labels.

    nlp (Language): A pipeline, usually of the language "xx", with a `cardioner_ner` named "ner".
    lang (str): Language code of the new pipeline.
    labels (Sequence[str]): The labels to keep.
    RETURNS (Language): A new pipeline.
    RAISES (CardionerError): The pipeline has no `cardioner_ner`, or no such label.
    """
    if NER not in nlp.pipe_names or nlp.get_pipe_meta(NER).factory != FACTORY:
        raise CardionerError(f"the pipeline has no {FACTORY} named '{NER}'")
    known = nlp.get_pipe(NER).labels  # type: ignore[attr-defined]
    if unknown := sorted(set(labels) - set(known)):
        raise CardionerError(
            f"the pipeline has no label {unknown[0]}; its labels are: {', '.join(known)}"
        )
    config = nlp.config.interpolate()
    config["nlp"]["lang"] = lang
    narrowed = load_model_from_config(config)
    copy_components(nlp, narrowed)
    narrowed.vocab.vectors = nlp.vocab.vectors
    _keep_heads(narrowed.get_pipe(NER), [i for i, label in enumerate(known) if label in labels])
    return narrowed


def _keep_heads(pipe: Any, heads: Sequence[int]) -> None:
    """Drop all other heads of a `cardioner_ner`."""
    labels = [pipe.labels[head] for head in heads]
    for label in labels:
        pipe.vocab.strings.add(label)
    pipe.cfg["labels"] = labels
    pipe.cfg["tag_counts"] = {label: pipe.cfg["tag_counts"][label] for label in labels}
    layer: Model[Any, Any] = pipe.model.get_ref("output_layer")
    linear: Model[Any, Any] = layer.layers[0]
    per_head = layer.attrs["rows"]
    rows = [head * per_head + row for head in heads for row in range(per_head)]
    kept: list[tuple[Model[Any, Any], str, Any]] = [
        (linear, name, linear.get_param(name)[rows]) for name in ("W", "b")
    ]
    if layer.has_param("T"):
        transitions: Any = layer.get_param("T")
        kept.append((layer, "T", transitions[..., list(heads)]))
    for node, name, _ in kept:
        node.set_param(name, None)  # dimensions cannot be changed while there are weights
    linear.set_dim("nO", len(rows), force=True)
    layer.set_dim("nO", len(heads), force=True)
    pipe.model.set_dim("nO", len(heads), force=True)
    for node, name, weights in kept:
        node.set_param(name, weights)
