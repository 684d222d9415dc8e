"""Words embedded once a batch: the same vectors, the same training."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.attrs import NORM
from spacy.ml.models import MultiHashEmbed
from spacy.tokens import Doc
from thinc.api import Model, fix_random_seed

from spacy_cardioner.characters import seen
from spacy_cardioner.layers.unique import create_unique_words, unique_words
from spacy_cardioner.spelling import usual_spelling
from spacy_cardioner.tokenizer import blank

NLP = blank("es")


def embedding() -> Model[list[Doc], Any]:
    fix_random_seed(3)
    return MultiHashEmbed(8, ["NORM", "PREFIX", "SUFFIX", "SHAPE"], [50] * 4, False)


def pair(docs: list[Doc]) -> tuple[Model[list[Doc], Any], Model[list[Doc], Any]]:
    plain, unique = embedding(), create_unique_words(embedding())
    plain.initialize(X=docs)
    unique.initialize(X=docs)
    unique.layers[0].from_bytes(plain.to_bytes())
    return plain, unique


SAMPLE = [NLP("Toma bisoprolol. No toma BISOPROLOL."), NLP("Niega disnea; toma bisoprolol.")]
PLAIN, UNIQUE = pair(SAMPLE)


@settings(deadline=None)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=4))
def test_the_vectors_are_the_same(texts: list[str]) -> None:
    docs = [usual_spelling(NLP(text)) for text in texts]
    looks = [Doc(NLP.vocab, words=[seen(token.text) or " " for token in doc]) for doc in docs]
    for doc, look in zip(docs, looks, strict=True):
        look.from_array([NORM], doc.to_array([NORM]).reshape(-1, 1))
    for got, want in zip(UNIQUE.predict(docs), PLAIN.predict(looks), strict=True):
        numpy.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_an_odd_word_has_the_vector_of_what_it_looks_like() -> None:
    odd, plain = UNIQUE.predict([NLP("Toma biso\u00adprolol"), NLP("Toma bisoprolol")])
    assert (odd == plain).all()


def test_words_are_embedded_in_their_usual_spelling() -> None:
    given = [
        NLP("NIEGA DIS\u00adNEA. TOMA BISO\u200bPROLOL."),
        NLP("NIEGA DISNEA. TOMA BISOPROLOL."),
        NLP("niega disnea. toma bisoprolol."),
    ]
    usual = [NLP("Niega disnea. Toma bisoprolol.")]
    for is_train in (False, True):
        [want], _ = UNIQUE(usual, is_train)
        for got in UNIQUE(given, is_train)[0]:
            numpy.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_each_word_is_there_once() -> None:
    words, places = unique_words(SAMPLE)
    tokens = [token for doc in SAMPLE for token in doc]
    assert len(words) == len({token.orth for token in tokens}) < len(tokens)
    assert [words[place].orth for place in places.tolist()] == [token.orth for token in tokens]


def test_a_norm_of_its_own_is_kept() -> None:
    docs = [NLP("Toma AAS"), NLP("Toma AAS")]
    docs[0][1].norm_ = "aspirina"
    words, places = unique_words(docs)
    assert [words[place].norm_ for place in places.tolist()] == ["toma", "aspirina", "toma", "aas"]
    for got, want in zip(UNIQUE.predict(docs), PLAIN.predict(docs), strict=True):
        numpy.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("texts", [[""], ["", "Toma bisoprolol."]])
def test_documents_without_words(texts: list[str]) -> None:
    docs = [NLP(text) for text in texts]
    assert [len(rows) for rows in UNIQUE.predict(docs)] == [len(doc) for doc in docs]


def test_training_is_as_without() -> None:
    want, backprop = PLAIN(SAMPLE, is_train=True)
    got, backprop_unique = UNIQUE(SAMPLE, is_train=True)
    backprop([rows * 0 + 1 for rows in want])
    backprop_unique([rows * 0 + 1 for rows in got])
    compared = 0
    for ours, theirs in zip(UNIQUE.layers[0].walk(), PLAIN.walk(), strict=True):
        for name in theirs.param_names:
            if theirs.has_grad(name):
                got_gradient: Any = ours.get_grad(name)
                want_gradient: Any = theirs.get_grad(name)
                numpy.testing.assert_allclose(got_gradient, want_gradient, rtol=1e-4, atol=1e-5)
                compared += 1
    assert compared
