"""The matrix multiplication that a config can choose, for the models of its own pipeline."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example
from thinc.api import Model, NumpyOps, Ops, get_current_ops

from spacy_cardioner.layers.gate import create_gate_model
from spacy_cardioner.layers.ops import VectorOps, set_numpy_blas

CALLBACK = {"@callbacks": "spacy_cardioner.use_numpy_blas.v1"}
ENCODER = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "pretrained_vectors": True,
    "width": 16,
    "depth": 1,
    "embed_size": 100,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": True,
}
CONFIG: dict[str, Any] = {
    "nlp": {
        "lang": "es",
        "pipeline": ["tok2vec", "ner"],
        "after_pipeline_creation": CALLBACK,
    },
    "components": {
        "tok2vec": {
            "factory": "tok2vec",
            "model": {
                "@architectures": "spacy_cardioner.Encoders.v1",
                "tok2vec": ENCODER,
                "count": 2,
            },
        },
        "ner": {
            "factory": "cardioner_ner",
            "model": {
                "@architectures": "spacy_cardioner.MultiHeadTagger.v1",
                "decoder": "crf",
                "hidden_width": 8,
                "tok2vec": {
                    "@architectures": "spacy.Tok2VecListener.v1",
                    "width": 32,
                    "upstream": "tok2vec",
                },
            },
        },
    },
}


def make() -> Language:
    """A pipeline with static vectors, copied encoders and a listener, initialized."""
    nlp = spacy.blank("es").from_config(CONFIG)
    nlp.vocab.vectors = spacy.vectors.Vectors(shape=(3, 4))
    for word in ("toma", "bisoprolol", "5"):
        nlp.vocab.set_vector(word, numpy.ones(4, dtype="f"))
    nlp.initialize(lambda: [example(nlp)])
    return nlp


def example(nlp: Language) -> Example:
    gold = nlp.make_doc("toma bisoprolol 5 mg")
    spans = [Span(gold, 1, 2, "FARMACO")]
    gold.spans["cardioner"] = SpanGroup(gold, name="cardioner", spans=spans)
    return Example(Doc(nlp.vocab, words=[token.text for token in gold]), gold)


def blis_of(nlp: Language) -> set[bool]:
    """Which of the two multiplications the layers of a pipeline use."""
    nodes = [node for _, pipe in nlp.components for node in pipe.model.walk()]  # type: ignore[attr-defined]
    assert len(nodes) > 20
    return {node.ops.use_blis for node in nodes}


def test_every_layer_of_a_pipeline_uses_numpys_blas_and_nothing_else_does(tmp_path: Path) -> None:
    before = get_current_ops()

    nlp = make()
    assert blis_of(nlp) == {False}
    for _ in range(2):
        nlp.update([example(nlp)])
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    other = spacy.blank("es")
    other.vocab.vectors = loaded.vocab.vectors
    for name in ("tok2vec", "ner"):
        other.add_pipe(name, source=loaded)

    for each in (nlp, loaded, other, pickle.loads(pickle.dumps(loaded))):
        each("toma bisoprolol 5 mg")
        assert blis_of(each) == {False}
    assert get_current_ops() is before
    fresh = spacy.blank("es")
    fresh.add_pipe("ner")
    assert blis_of(fresh) == {True}


def test_a_pipeline_whose_config_does_not_say_so_keeps_thincs_default() -> None:
    config = {**CONFIG, "nlp": {**CONFIG["nlp"], "after_pipeline_creation": None}}
    assert blis_of(spacy.blank("es").from_config(config)) == {True}


def test_other_operations_stay() -> None:
    class OtherOps(NumpyOps):
        """As those of a GPU or of Apple's library, which thinc makes by the same inheritance."""

    other: Ops = OtherOps()
    model: Model[Any, Any] = Model("layer", lambda model, X, is_train: (X, lambda d: d), ops=other)
    set_numpy_blas(model)
    assert model.ops is other


def test_the_gate_takes_care_of_itself() -> None:
    gate = create_gate_model(
        spacy.registry.architectures.get("spacy.HashEmbedCNN.v2")(
            pretrained_vectors=None,
            width=8,
            depth=1,
            embed_size=50,
            window_size=1,
            maxout_pieces=2,
            subword_features=True,
        )
    )
    assert not any(node.ops.use_blis for node in gate.walk())  # type: ignore[attr-defined]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("pieces", [1, 2, 3, 5])
def test_the_largest_piece_is_that_of_thinc(dtype: Any, pieces: int) -> None:
    chance = numpy.random.default_rng(pieces)
    numbers = chance.standard_normal((50, 7, pieces)).astype(dtype)
    # Of equal pieces the first counts.
    numbers[::3] = numbers[::3].round()
    for given in (numbers, numbers[:0]):
        for ours, theirs in zip(VectorOps().maxout(given), NumpyOps().maxout(given), strict=True):
            numpy.testing.assert_array_equal(ours, theirs)
            assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
            assert ours.flags.c_contiguous
