"""The gazetteer's marks as features of tokens, beside those that are learned."""

from __future__ import annotations

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import fix_random_seed

from spacy_cardioner.gazetteer.names import KINDS
from spacy_cardioner.layers import gazetteer as layer

WIDTH = 8
PATTERNS = [
    {"label": "FARMACO", "pattern": "bisoprolol", "id": "C07AB07", "kind": "ingredient"},
    {"label": "FARMACO", "pattern": "ácido acetilsalicílico", "id": "B01AC06"},
    {"label": "FARMACO", "pattern": "IECA", "id": "C09A", "kind": "abbreviation", "also": ["C09B"]},
]
NOTE = "Toma bisoprolol, IECA y ácido acetilsalicílico cada día."


@pytest.fixture
def nlp() -> Language:
    nlp = spacy.blank("es")
    nlp.add_pipe("cardioner_gazetteer", "gazetteer").add_patterns(PATTERNS)  # type: ignore[attr-defined]
    return nlp


def make_model(dropout: float = 0.0):  # type: ignore[no-untyped-def]
    embed = registry.architectures.get("spacy.MultiHashEmbed.v2")(
        width=WIDTH, attrs=["NORM"], rows=[50], include_static_vectors=False
    )
    return layer.create_gazetteer_features(embed, WIDTH, dropout)


def test_each_mark_says_its_kind_where_it_begins_and_where_it_goes_on(nlp: Language) -> None:
    doc = nlp(NOTE)
    rows = layer.features(doc)
    assert rows.shape == (len(doc), layer.N_FEATURES)
    said = {doc[i].text: set(numpy.flatnonzero(row)) for i, row in enumerate(rows) if row.any()}
    kinds = KINDS.index
    assert said == {
        "bisoprolol": {layer.BEGINS + kinds("ingredient")},
        "IECA": {layer.BEGINS + kinds("abbreviation"), layer.AMBIGUOUS},
        "ácido": {layer.BEGINS + kinds("ingredient")},
        "acetilsalicílico": {layer.GOES_ON + kinds("ingredient")},
    }


def test_an_untrained_layer_adds_nothing_and_learns_from_the_marks(nlp: Language) -> None:
    docs = [nlp(NOTE), nlp.make_doc("Sin marcas."), nlp.make_doc("")]
    model = make_model()
    model.initialize(X=docs)
    plain = model.get_ref("tok2vec").predict(docs)
    for before, after in zip(plain, model.predict(docs), strict=True):
        numpy.testing.assert_array_equal(before, after)

    vectors, backprop = model(docs, is_train=True)
    backprop([numpy.ones_like(vector) for vector in vectors])
    learned = model.layers[1].get_grad("W")
    numpy.testing.assert_array_equal(learned, layer.features(docs[0]).sum(0)[None].repeat(WIDTH, 0))


def test_only_marked_documents_change_whatever_else_is_in_the_batch(nlp: Language) -> None:
    docs = [nlp(NOTE), nlp("Coronaria derecha: oclusión crónica"), nlp("")]
    model = make_model()
    model.initialize(X=docs)
    model.layers[1].set_param("b", numpy.ones(WIDTH, dtype="f"))
    plain = model.get_ref("tok2vec").predict(docs)
    together, backprop = model(docs, is_train=True)
    numpy.testing.assert_array_equal(together[0], plain[0] + 1)
    numpy.testing.assert_array_equal(together[1], plain[1])
    for doc, vectors in zip(docs[:2], together, strict=False):
        numpy.testing.assert_allclose(model.predict([doc])[0], vectors, atol=1e-6)

    backprop([numpy.ones_like(vector) for vector in together])
    learned = model.layers[1].get_grad("b")
    numpy.testing.assert_array_equal(learned, numpy.full(WIDTH, len(docs[0]), dtype="f"))


def test_the_gradient_goes_on_to_the_vectors_whether_there_are_marks_or_not(nlp: Language) -> None:
    for docs in ([nlp(NOTE)], [nlp.make_doc("Sin marcas.")]):
        model = make_model()
        model.initialize(X=docs)
        vectors, backprop = model(docs, is_train=True)
        backprop([numpy.ones_like(vector) for vector in vectors])
        assert any(node.has_grad("E") for node in model.walk() if node.has_param("E"))


def test_a_width_that_is_not_given_is_found_out(nlp: Language) -> None:
    embed = make_model().get_ref("tok2vec")
    model = layer.create_gazetteer_features(embed, None, 0.0)
    model.initialize(X=[nlp(NOTE)])
    assert model.get_dim("nO") == WIDTH
    assert model.predict([nlp(NOTE)])[0].shape[1] == WIDTH


def test_features_are_hidden_in_training_alone(nlp: Language) -> None:
    docs = [nlp(NOTE)]
    model = make_model(dropout=1.0)
    model.initialize(X=docs)
    model.layers[1].set_param("W", numpy.ones((WIDTH, layer.N_FEATURES), dtype="f"))
    plain = model.get_ref("tok2vec").predict(docs)[0]
    assert (model.predict(docs)[0] != plain).any()
    hidden, _ = model(docs, is_train=True)
    numpy.testing.assert_array_equal(hidden[0], plain)


def test_a_share_of_the_marks_is_hidden(nlp: Language) -> None:
    fix_random_seed(0)
    doc: Doc = nlp(NOTE)
    shown = sum((layer.features(doc, hidden=0.5) != 0).any(1).sum() for _ in range(400)) / 400
    # Half of the documents show nothing; in the others, half of the four marked tokens show.
    assert shown == pytest.approx(4 * 0.5 * 0.5, abs=0.15)
