"""The view of a document is the document of the text as it looks."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from spacy.tokens import Span, SpanGroup

from spacy_cardioner.characters import is_ignored, seen
from spacy_cardioner.spans import Entity
from spacy_cardioner.tokenizer import blank
from spacy_cardioner.visible import visible

NLP = blank("es")
# A soft hyphen before a line that begins in lower case joins a word.
SENTENCE = "Toma furosemida 40 mg. Niega FA, HTA\nY DM."
UNSEEN = "\u00ad\u200b\u200e\u2060\ufeff"

odd = st.text("aA1. ,-\n\r\x0c\u00a0\u00ad\u200b\u200e\ufeff\ufb01\u0301\uf0b7\u2003", max_size=30)


def test_the_view_of_an_ordinary_document_is_the_document() -> None:
    doc = NLP(SENTENCE)
    assert visible(doc).doc is doc
    assert visible(doc).back(Entity(1, 2, "X")) == Entity(1, 2, "X")


@settings(deadline=None)
@given(st.text() | odd)
def test_the_view_has_what_is_seen_in_its_order(text: str) -> None:
    doc = NLP(text)
    view = visible(doc)
    assert [token.text for token in view.doc] == [seen(doc[place].text) for place in view.places]
    left_out = set(range(len(doc))) - set(view.places)
    assert all(is_ignored(doc[place].text) for place in left_out)
    for place in range(len(view.doc)):
        entity = Entity(place, len(view.doc), "X")
        assert view.forth(view.back(entity)) == entity


@settings(deadline=None)
@example([*[""] * SENTENCE.index("\n"), "\u00ad", *[""] * 10])
@given(st.lists(st.sampled_from(["", "", "", *UNSEEN]), min_size=len(SENTENCE) + 1))
def test_the_view_is_the_document_of_the_plain_text(unseen: list[str]) -> None:
    parts = [char if char != " " else "\u00a0" for char in SENTENCE]
    doc = NLP("".join(hidden + char for hidden, char in zip(unseen, [*parts, ""], strict=False)))
    plain, view = NLP(SENTENCE), visible(doc).doc
    for name in ("text", "whitespace_", "norm_", "is_sent_start"):
        assert [getattr(a, name) for a in view] == [getattr(b, name) for b in plain]


def test_spans_and_entities_are_those_of_the_text() -> None:
    doc = NLP("\u200b FA\u00a0y \u200b\u200b HTA\u00adX .")
    words = [token.i for token in doc if not is_ignored(token.text)]
    spans = [Span(doc, start, end + 1, "X") for start in words for end in words if start <= end]
    doc.spans["x"] = SpanGroup(doc, spans=spans, attrs={"kinds": ["brand"]})
    doc.set_ents(spans[-1:])
    view = visible(doc)
    assert [[seen(t.text) for t in span if not is_ignored(t.text)] for span in spans] == [
        [t.text for t in span] for span in view.doc.spans["x"]
    ]
    assert view.doc.spans["x"].attrs == {"kinds": ["brand"]}
    assert [ent.text for ent in view.doc.ents] == ["."]


def test_page_breaks_are_known() -> None:
    view = visible(NLP("FA\x0cHTA"))
    assert [token.text for token in view.doc] == ["FA", "\n", "HTA"]
    assert list(view.breaks) == [1]
