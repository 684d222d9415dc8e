"""A pipeline of several languages and labels, made one of a single language and some labels.

One recogniser that learned from all languages may know each of them better than one of its own. Its
weights stay as they are; the heads of other labels are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spacy.language import Language
from spacy.util import load_model_from_config
from thinc.api import Model

from spacy_cardioner.errors import CardionerError


def narrow(nlp: Language, *, lang: str, labels: Sequence[str], ner: str = "ner") -> Language:
    """Make a pipeline of another language code, with some of the labels.

    nlp (Language): A pipeline, usually of the language "xx".
    lang (str): The code of the new pipeline's language.
    labels (Sequence[str]): The labels that stay, in the order of the pipeline's own.
    ner (str): The `cardioner_ner`, whose heads are chosen from.
    RETURNS (Language): A new pipeline.
    RAISES (CardionerError): The component is no `cardioner_ner`, or has no such label.
    """
    if ner not in nlp.pipe_names or nlp.get_pipe_meta(ner).factory != "cardioner_ner":
        raise CardionerError(f"the pipeline has no cardioner_ner that is called '{ner}'")
    known = nlp.get_pipe(ner).labels  # type: ignore[attr-defined]
    if unknown := sorted(set(labels) - set(known)):
        raise CardionerError(
            f"the pipeline has no label {unknown[0]}; its labels are: {', '.join(known)}"
        )
    config = nlp.config.interpolate()
    config["nlp"]["lang"] = lang
    narrowed = load_model_from_config(config)
    for name, pipe in nlp.components:
        if hasattr(pipe, "to_bytes"):
            weights = pipe.to_bytes(exclude=["vocab"])
            narrowed.get_pipe(name).from_bytes(weights, exclude=["vocab"])  # type: ignore[attr-defined]
    narrowed.vocab.vectors = nlp.vocab.vectors
    _choose_heads(narrowed.get_pipe(ner), [i for i, label in enumerate(known) if label in labels])
    return narrowed


def _choose_heads(pipe: Any, heads: Sequence[int]) -> None:
    """Leave out all other heads of a `cardioner_ner`."""
    labels = [pipe.labels[head] for head in heads]
    for label in labels:
        pipe.vocab.strings.add(label)
    pipe.cfg["labels"] = labels
    pipe.cfg["tag_counts"] = {label: pipe.cfg["tag_counts"][label] for label in labels}
    layer: Model[Any, Any] = pipe.model.get_ref("output_layer")
    linear: Model[Any, Any] = layer.layers[0]
    of_head = layer.attrs["rows"]
    rows = [head * of_head + row for head in heads for row in range(of_head)]
    chosen: list[tuple[Model[Any, Any], str, Any]] = [
        (linear, name, linear.get_param(name)[rows]) for name in ("W", "b")
    ]
    if layer.has_param("T"):
        transitions: Any = layer.get_param("T")
        chosen.append((layer, "T", transitions[..., list(heads)]))
    for node, name, _ in chosen:
        node.set_param(name, None)  # dimensions are fixed while there are weights
    linear.set_dim("nO", len(rows), force=True)
    layer.set_dim("nO", len(heads), force=True)
    pipe.model.set_dim("nO", len(heads), force=True)
    for node, name, weights in chosen:
        node.set_param(name, weights)
