"""Several encoders side by side, which embed the words of a batch together."""

from __future__ import annotations

import numpy
import pytest
from thinc.api import chain, with_array
from thinc.layers import Linear

from spacy_cardioner.layers.encoders import create_encoders
from spacy_cardioner.layers.unique import Batch, create_unique_words
from tests.unit.layers.test_unique import NLP, SAMPLE, embedding

ENCODERS = create_encoders(chain(create_unique_words(embedding()), with_array(Linear(8, 8))), 3)
ENCODERS.initialize(X=SAMPLE)


@pytest.mark.parametrize("text", ["", "\u200b", "\u00a0", "\ufeff\u200b"])
def test_what_nobody_sees_has_no_vectors(text: str) -> None:
    doc = NLP(text)
    alone = ENCODERS.predict([doc])[0]
    among = ENCODERS.predict([SAMPLE[0], doc])[1]
    for vectors in (alone, among):
        assert vectors.shape == (len(doc), 24)
        assert not vectors.any()


def test_encoders_share_the_words_of_a_batch() -> None:
    batch = Batch(SAMPLE)
    shared = [numpy.vstack(layer.predict(batch)) for layer in ENCODERS.layers]
    words, _ = batch.unique_words
    assert batch.unique_words[0] is words
    alone = [numpy.vstack(layer.predict(SAMPLE)) for layer in ENCODERS.layers]
    assert (numpy.hstack(shared) == numpy.hstack(alone)).all()
    assert (numpy.vstack(ENCODERS.predict(SAMPLE)) == numpy.hstack(alone)).all()
