"""Entities: scores that stay with their spans, and the choice of those that do not overlap."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span, SpanGroup
from spacy.vocab import Vocab

from spacy_cardioner.spans import (
    SPANS_KEY,
    Entity,
    get_score,
    get_source,
    layers_of,
    longest_first,
    non_overlapping,
    read_entities,
    replace_entities,
    write_entities,
)

DISEASE, DRUG = "ENFERMEDAD", "FARMACO"
# Two labels with the same boundaries, and one entity inside another.
ENTITIES = [
    Entity(0, 3, DISEASE, score=0.7, source="reranker"),
    Entity(2, 3, DISEASE, score=0.6, kb_id="D1", source="reranker"),
    Entity(2, 3, DRUG, score=0.9, kb_id="J01CE01", source="ner"),
]


def note() -> Doc:
    nlp = spacy.blank("es")
    doc = nlp.make_doc("Alergia a penicilina. Nada más.")
    write_entities(doc, ENTITIES, layers=[DISEASE, DRUG])
    doc.ents = [span for span in doc.spans[SPANS_KEY] if span.label_ == DRUG]
    for name, value in (("match", "exact"), ("candidates", ("J01CE01",)), ("is_negated", True)):
        if not Span.has_extension(name):
            Span.set_extension(name, default=None)
        doc.ents[0]._.set(name, value)
    return doc


def docbin(doc: Doc, *, store_user_data: bool) -> Doc:
    stored = DocBin(docs=[doc], store_user_data=store_user_data).to_bytes()
    [back] = DocBin().from_bytes(stored).get_docs(Vocab())
    return back


def after_another(doc: Doc) -> Doc:
    other = Doc(doc.vocab, words=["Una", "nota", "antes", "."])
    write_entities(other, [Entity(0, 1, DISEASE, score=0.1)])
    joined = Doc.from_docs([other, doc])
    joined.spans[SPANS_KEY] = [s for s in joined.spans[SPANS_KEY] if s.start >= len(other)]
    return joined


def with_group(doc: Doc, part: Doc) -> Doc:
    """`Span.as_doc` does not copy span groups."""
    spans = [Span(part, s.start, s.end, s.label, kb_id=s.kb_id) for s in doc.spans[SPANS_KEY]]
    part.spans[SPANS_KEY] = spans
    return part


WAYS: dict[str, Callable[[Doc], Doc]] = {
    "to_bytes": lambda doc: Doc(Vocab()).from_bytes(doc.to_bytes()),
    "pickle": lambda doc: pickle.loads(pickle.dumps(doc)),
    "DocBin with user data": lambda doc: docbin(doc, store_user_data=True),
    "from_docs": after_another,
    "as_doc": lambda doc: with_group(doc, doc[:4].as_doc(copy_user_data=True)),
}


@pytest.mark.parametrize("way", WAYS)
def test_scores_sources_and_attributes_stay_with_their_spans(way: str) -> None:
    copy = WAYS[way](note())

    spans = list(copy.spans[SPANS_KEY])
    scores = [span._.score for span in spans]
    assert [(s.text, s.label_, s.kb_id_) for s in spans] == [
        ("Alergia a penicilina", DISEASE, ""),
        ("penicilina", DISEASE, "D1"),
        ("penicilina", DRUG, "J01CE01"),
    ]
    assert scores == [0.7, 0.6, 0.9]
    assert [span._.source for span in spans] == ["reranker", "reranker", "ner"]
    (ent,) = copy.ents
    assert (ent._.score, ent._.source) == (0.9, "ner")
    assert (ent._.match, tuple(ent._.candidates), ent._.is_negated) == ("exact", ("J01CE01",), True)
    # They are not taken from the span group.
    copy.spans.clear()
    assert copy.ents[0]._.score == 0.9


def test_scores_survive_a_docbin_without_user_data() -> None:
    copy = docbin(note(), store_user_data=False)

    assert copy.user_data == {}
    assert [span._.score for span in copy.spans[SPANS_KEY]] == [0.7, 0.6, 0.9]
    assert copy.ents[0]._.score == 0.9
    assert layers_of(copy) == {DISEASE, DRUG}
    assert [entity.score for entity in read_entities(copy)] == [0.7, 0.6, 0.9]


def test_nothing_is_known_of_other_spans() -> None:
    doc = note()
    assert get_score(doc[0:1]) is None
    assert get_source(doc[0:1]) == ""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert get_score(Span(doc, 0, 3, DRUG)) is None


def test_what_is_written_is_read_and_replaces_what_was_there() -> None:
    doc = note()
    assert read_entities(doc) == ENTITIES

    write_entities(doc, [ENTITIES[2]._replace(score=0.4), Entity(4, 5, "SINTOMA")])

    group = doc.spans[SPANS_KEY]
    assert group.attrs == {"layers": [DISEASE, DRUG, "SINTOMA"], "scores": [0.4, None]}
    assert get_score(Span(doc, 0, 3, DISEASE)) is None
    assert get_score(doc.ents[0]) == 0.4
    assert write_entities(doc, []) == []
    assert doc.spans[SPANS_KEY].attrs["scores"] == []


def test_entities_without_scores_have_none() -> None:
    doc = spacy.blank("es").make_doc("Alergia a penicilina")
    write_entities(doc, [Entity(0, 3, DISEASE)], layers=[DISEASE])
    assert doc.spans[SPANS_KEY].attrs == {"layers": [DISEASE]}
    assert doc.spans[SPANS_KEY][0]._.score is None
    assert doc.user_data == {}


def test_entities_are_replaced_in_the_group_and_where_there_is_room_in_ents() -> None:
    doc = note()
    before = read_entities(doc)
    new = Entity(4, 6, DISEASE, score=0.5)

    replace_entities(doc, before, [before[2], new])

    assert read_entities(doc) == [before[2], new]
    assert [(ent.start, ent.end, ent.label_) for ent in doc.ents] == [(2, 3, DRUG), (4, 6, DISEASE)]
    replace_entities(doc, read_entities(doc), [before[0]])
    assert [(ent.start, ent.end, ent.label_) for ent in doc.ents] == [(0, 3, DISEASE)]
    assert [token.ent_iob_ for token in doc] == ["B", "I", "I", "O", "O", "O", "O"]


def test_flat_entities_are_read_where_there_is_no_group() -> None:
    doc = note()
    del doc.spans[SPANS_KEY]
    assert read_entities(doc) == [ENTITIES[2]]
    doc.spans[SPANS_KEY] = SpanGroup(doc)
    assert read_entities(doc) == []


ITEMS = st.lists(
    st.builds(
        lambda start, length, score: Entity(start, start + length, DRUG, score=score),
        st.integers(0, 12),
        st.integers(1, 4),
        st.floats(0, 1),
    ),
    max_size=10,
)


@given(ITEMS, st.sets(st.integers(0, 12)), st.booleans())
def test_of_overlapping_items_the_first_is_chosen(
    items: list[Entity], taken: set[int], by_score: bool
) -> None:
    order = (lambda one: -(one.score or 0)) if by_score else longest_first

    chosen = non_overlapping(items, order=order, taken=taken)

    assert chosen == sorted(chosen, key=lambda one: one.start)
    places = [place for one in chosen for place in range(one.start, one.end)]
    assert len(places) == len(set(places)) and taken.isdisjoint(places)
    for one in items:
        place = set(range(one.start, one.end))
        if one not in chosen and taken.isdisjoint(place):
            rivals = [c for c in chosen if not place.isdisjoint(range(c.start, c.end))]
            assert min(map(order, rivals)) <= order(one)
