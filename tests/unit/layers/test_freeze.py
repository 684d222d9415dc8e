"""Frozen layers of an encoder do not move, the others do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
from spacy.language import Language
from spacy.training import Example
from spacy.util import get_lang_class
from thinc.api import Adam

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.layers.freeze import create_freeze_encoder, depth_of
from spacy_cardioner.spans import SPANS_KEY
from spacy_cardioner.tokenizer import blank
from tests.tiny_encoder import LISTENER, encoder_config, save_tiny_encoder, step

TEXT = "Alérgico a penicilina. Tratamiento: bisoprolol 2,5 mg y apixabán 5 mg cada 12 h.\n"
LAYERS = 3
RATE = 0.01


@pytest.mark.parametrize(
    ("name", "depth"),
    [
        ("embeddings.word_embeddings.weight", 0),
        ("encoder.layer.0.attention.self.query.weight", 1),
        ("encoder.layer.11.output.dense.bias", 12),
        ("transformer.layer.2.ffn.lin1.weight", 3),
        ("layers.4.mlp.Wi.weight", 5),
        ("h.1.attn.bias", 2),
        ("pooler.dense.weight", None),
        ("encoder.LayerNorm.weight", None),
        ("W", None),
    ],
)
def test_depth_is_told_by_the_name(name: str, depth: int | None) -> None:
    assert depth_of(name) == depth


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("spacy_transformers", reason="needs the extra trf")
    return save_tiny_encoder(tmp_path_factory.mktemp("encoder"), [TEXT], layers=LAYERS)


@pytest.fixture
def nlp(encoder: Path) -> Language:
    nlp = blank("es")
    windows = {"@span_getters": "spacy_cardioner.context_windows.v1", "window": 64, "context": 16}
    nlp.add_pipe("transformer", config=encoder_config(encoder, windows))
    head = {
        "@architectures": "spacy_cardioner.MultiHeadTagger.v1",
        "decoder": "softmax",
        "hidden_width": 0,
        "tok2vec": LISTENER,
    }
    nlp.add_pipe("cardioner_ner", "ner", config={"model": head})
    nlp.initialize(lambda: examples(nlp))
    return nlp


def examples(nlp: Language) -> list[Example]:
    gold = nlp.make_doc(TEXT)
    drugs = [token for token in gold if token.text in ("penicilina", "bisoprolol", "apixabán")]
    gold.spans[SPANS_KEY] = [gold.char_span(t.idx, t.idx + len(t), label="FARMACO") for t in drugs]
    return [Example(nlp.make_doc(TEXT), gold)]


def parameters(nlp: Language) -> dict[str, Any]:
    encoder = nlp.get_pipe("transformer").model.transformer
    return {name: value.detach().numpy().copy() for name, value in encoder.named_parameters()}


def moved(nlp: Language, sgd: Any, *, steps: int = 1) -> dict[int | None, float]:
    """How far the weight that moved most went, by depth."""
    before = parameters(nlp)
    for _ in range(steps):
        step(nlp, examples(nlp), sgd)
    farthest: dict[int | None, float] = {}
    for name, value in parameters(nlp).items():
        depth = depth_of(name)
        change = float(numpy.abs(value - before[name]).max())
        farthest[depth] = max(farthest.get(depth, 0.0), change)
    return farthest


@pytest.mark.parametrize("last_layers", [None, 1, 2, LAYERS])
def test_frozen_weights_do_not_move_and_others_do(nlp: Language, last_layers: int | None) -> None:
    head = nlp.get_pipe("ner").model.get_ref("output_layer").layers[0]
    before = head.get_param("W").copy()

    assert create_freeze_encoder(last_layers)(nlp) is nlp
    change = moved(nlp, Adam(RATE), steps=3)

    deepest_frozen = 0 if last_layers is None else LAYERS - last_layers
    for depth in range(LAYERS + 1):
        assert (change[depth] == 0) == (depth <= deepest_frozen), depth
    assert not numpy.array_equal(head.get_param("W"), before)


def test_a_config_freezes(encoder: Path) -> None:
    nlp = get_lang_class("es").from_config(
        {
            "nlp": {"lang": "es", "pipeline": ["transformer"]},
            "components": {
                "transformer": {
                    "factory": "transformer",
                    **encoder_config(encoder, {"@span_getters": "spacy-transformers.doc_spans.v1"}),
                }
            },
            "initialize": {
                "after_init": {"@callbacks": "spacy_cardioner.freeze_encoder.v1", "last_layers": 1}
            },
        }
    )
    nlp.initialize()

    named = nlp.get_pipe("transformer").model.transformer.named_parameters()
    trained = {depth_of(name) for name, value in named if value.requires_grad}
    assert trained == {LAYERS, None}


@pytest.mark.parametrize("last_layers", [0, LAYERS + 1])
def test_no_such_number_of_layers(nlp: Language, last_layers: int) -> None:
    with pytest.raises(CardionerError, match=f"{LAYERS} layers.*frozen_components"):
        create_freeze_encoder(last_layers)(nlp)
