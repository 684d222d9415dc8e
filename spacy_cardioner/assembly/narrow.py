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

from spacy_cardioner.assembly.stack import copy_components, ner_of
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.pipeline.ner.component import MultiHeadNER


def narrow(nlp: Language, *, lang: str, labels: Sequence[str] = ()) -> Language:
    """Make a new pipeline of another language code, with some of the labels.

    nlp (Language): A pipeline, usually of the language "xx", with a `cardioner_ner` named "ner".
    labels (Sequence[str]): The labels to keep. Default: all.
    RAISES (CardionerError): The pipeline has no `cardioner_ner`, or no such label.
    """
    known = ner_of(nlp).labels
    if unknown := sorted(set(labels) - set(known)):
        raise CardionerError(
            f"the pipeline has no label {unknown[0]}; its labels are: {', '.join(known)}"
        )
    config = nlp.config.interpolate()
    config["nlp"]["lang"] = lang
    narrowed = load_model_from_config(config)
    copy_components(nlp, narrowed)
    narrowed.vocab.vectors = nlp.vocab.vectors
    kept = labels or known
    _keep_heads(ner_of(narrowed), [i for i, label in enumerate(known) if label in kept])
    return narrowed


def _keep_heads(pipe: MultiHeadNER, heads: Sequence[int]) -> None:
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
    for node, size in ((linear, len(rows)), (layer, len(heads)), (pipe.model, len(heads))):
        node.set_dim("nO", size, force=True)
    for node, name, weights in kept:
        node.set_param(name, weights)
