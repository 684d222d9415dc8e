"""The mean of several trained pipelines, which costs no more to run than one.

It can help where all were trained on from the same weights, as second stages are from a first: then
they lie in the same valley, and the mean may lie deeper in it ("model soups", Wortsman et al. 2022,
https://arxiv.org/abs/2203.05482). Pipelines trained apart have no common valley.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spacy.language import Language
from thinc.api import Model

from spacy_cardioner.errors import CardionerError


def average_weights(pipelines: Sequence[Language]) -> Language:
    """Put the mean of all pipelines' weights into the first of them.

    pipelines (Sequence[Language]): Pipelines of the same components with layers of the same sizes.
    RETURNS (Language): The first, with the mean of the weights.
    RAISES (CardionerError): They are not made alike.
    """
    first = pipelines[0]
    for name, pipe in first.components:
        if isinstance(getattr(pipe, "model", None), Model):
            models = [_model(other, name) for other in pipelines]
            for nodes in zip(*(model.walk() for model in models), strict=True):
                _average(nodes, name)
    return first


def _model(nlp: Language, name: str) -> Model[Any, Any]:
    model = getattr(nlp.get_pipe(name), "model", None) if name in nlp.component_names else None
    if not isinstance(model, Model):
        raise CardionerError(f"the pipelines differ: one has no trained component '{name}'")
    return model


def _average(nodes: Sequence[Model[Any, Any]], component: str) -> None:
    """Average the weights of one layer of each pipeline into the first's."""
    first = nodes[0]
    for name in first.param_names:
        if not first.has_param(name):
            continue
        found = [node.get_param(name) for node in nodes if node.has_param(name)]
        if len({array.shape for array in found}) > 1 or len(found) < len(nodes):
            raise CardionerError(
                f"the pipelines differ: layers of '{component}' have other sizes; average "
                "pipelines of the same config and labels"
            )
        first.set_param(name, sum(found[1:], found[0]) / len(found))
