"""Several encoders side by side, which embed the words of a batch together."""

from __future__ import annotations

import numpy
import pytest
import spacy
from spacy.tokens import Doc
from thinc.api import chain, with_array
from thinc.layers import Linear

from spacy_cardioner.layers.encoders import AT_ONCE, create_encoders
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


def test_a_batch_is_embedded_at_once_and_encoded_in_parts() -> None:
    make = spacy.registry.architectures.get
    embed = create_unique_words(embedding())
    encode = make("spacy.MaxoutWindowEncoder.v2")(width=8, depth=2, window_size=1, maxout_pieces=3)
    tok2vec = make("spacy.Tok2Vec.v2")(embed, encode)
    encoders = create_encoders(tok2vec, 1)
    encoders.initialize(X=SAMPLE)
    lengths = [400, 500, 400, 0, 3 * AT_ONCE, 10, 1]
    docs = [Doc(NLP.vocab, words=["toma", "5", "mg"] * length) for length in lengths]
    at_once = tok2vec.predict(Batch(docs))

    seen: list[list[int]] = []
    encode_all = encode._func

    def noting(model: object, vectors: list[object], is_train: bool) -> object:
        seen.append([len(rows) // 3 for rows in vectors])  # type: ignore[arg-type]
        return encode_all(model, vectors, is_train)

    encode._func = noting
    in_parts = encoders.predict(docs)
    for one, other in zip(at_once, in_parts, strict=True):
        numpy.testing.assert_allclose(one, other, atol=1e-5)
    assert seen == [[400], [500], [400, 0], [3 * AT_ONCE, 10, 1]]
