"""The mean of several pipelines' weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
from spacy.language import Language
from thinc.api import Model, fix_random_seed
from typer.testing import CliRunner

from spacy_cardioner.cli import app
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.training.averaging import average_weights


def make(seed: int, width: int = 8) -> Language:
    fix_random_seed(seed)
    nlp = spacy.blank("es")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe(
        "tok2vec",
        config={
            "model": {
                "@architectures": "spacy.HashEmbedCNN.v2",
                "pretrained_vectors": None,
                "width": width,
                "depth": 1,
                "embed_size": 50,
                "window_size": 1,
                "maxout_pieces": 2,
                "subword_features": False,
            }
        },
    )
    nlp.initialize()
    return nlp


def weights(nlp: Language) -> list[Any]:
    model: Model[Any, Any] = nlp.get_pipe("tok2vec").model  # type: ignore[attr-defined]
    return [
        node.get_param(name).copy()
        for node in model.walk()
        for name in node.param_names
        if node.has_param(name)
    ]


def test_every_weight_is_the_mean() -> None:
    pipelines = [make(seed) for seed in (1, 2, 3)]
    expected = [numpy.mean(arrays, 0) for arrays in zip(*map(weights, pipelines), strict=True)]
    others = weights(pipelines[1])
    averaged = average_weights(pipelines)
    assert averaged is pipelines[0]
    for got, want in zip(weights(averaged), expected, strict=True):
        numpy.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-7)
    for got, want in zip(weights(pipelines[1]), others, strict=True):
        numpy.testing.assert_array_equal(got, want)


def test_the_command_writes_the_mean(tmp_path: Path) -> None:
    for seed in (1, 2):
        make(seed).to_disk(tmp_path / str(seed))
    paths = [str(tmp_path / name) for name in ("1", "2")]
    arguments = ["average", *paths, "-o", str(tmp_path / "new/mean")]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
    want = average_weights([make(1), make(2)])
    for got, mean in zip(weights(spacy.load(tmp_path / "new/mean")), weights(want), strict=True):
        numpy.testing.assert_array_equal(got, mean)


@pytest.mark.parametrize("other", [make(1, width=16), spacy.blank("es")])
def test_pipelines_that_are_not_alike_are_refused(other: Language) -> None:
    with pytest.raises(CardionerError, match="the pipelines differ"):
        average_weights([make(1), other])
