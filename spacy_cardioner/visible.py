"""A document as a reader sees it: without the tokens and characters that are not seen.

Models and rules know ordinary texts. They work on this view of a document, so that an invisible
character changes nothing, and what they find is brought back to the tokens of the document.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar, cast

import numpy
from spacy.attrs import NORM, ORTH, SENT_START, SPACY
from spacy.tokens import Doc, Span, SpanGroup
from thinc.types import Ragged

from spacy_cardioner.characters import ODD, PAGE_BREAK, is_ignored, seen

# Anything with a start and an end that is a named tuple, such as an Entity.
T = TypeVar("T", bound=Any)

# Key in Doc.user_data of `doc._.trf_data`: the vectors of a transformer, aligned with the tokens.
ENCODED: Any = ("._.", "trf_data", None, None)

# Hashes of words without anything odd.
_plain: set[int] = set()
_MAX_CACHE = 100_000


class View(NamedTuple):
    """A document as it is seen.

    doc (Doc): The document itself, if nothing in it is odd, or a copy.
    places (Sequence[int]): The index in the document of each token of the view.
    breaks (Sequence[int]): The tokens of the view that are page breaks, and look like line feeds.
    """

    doc: Doc
    places: Sequence[int]
    breaks: Sequence[int] = ()

    @property
    def is_whole(self) -> bool:
        """Whether the view is the document itself."""
        return isinstance(self.places, range)

    def back(self, item: T) -> T:
        """Give an entity, or a section, of the view its boundaries in the document."""
        start, end = self.places[item.start], self.places[item.end - 1] + 1
        return cast(T, item._replace(start=start, end=end))

    def forth(self, item: T) -> T:
        """Give an entity of the document its boundaries in the view."""
        start, end = (bisect_left(self.places, place) for place in (item.start, item.end))
        return cast(T, item._replace(start=start, end=end))


def visible(doc: Doc) -> View:
    """Make the view of a document, with its sentences, entities, span groups and vectors."""
    if not _is_odd(doc):
        return View(doc, range(len(doc)))
    orths, norms, spaced, starts = doc.to_array([ORTH, NORM, SPACY, SENT_START]).T
    distinct, word = numpy.unique(orths, return_inverse=True)
    texts = [doc.vocab.strings[orth] for orth in distinct.tolist()]
    looks = list(map(seen, texts))
    ignored = numpy.array(list(map(is_ignored, texts)))[word]
    chosen = numpy.flatnonzero(~ignored)
    # An ignored token may be the space after a word, or start a sentence.
    space = (spaced > 0) | (ignored & numpy.array(list(map(str.isspace, texts)))[word])
    spaces = numpy.logical_or.reduceat(space, chosen)
    begun = numpy.append(starts == 1, False)
    begins = numpy.logical_or.reduceat(begun, numpy.insert(chosen + 1, 0, 0))[:-1]
    view = Doc(
        doc.vocab, words=[looks[index] for index in word[chosen].tolist()], spaces=spaces.tolist()
    )
    attrs: list[Any] = [norms[chosen]]
    if doc.has_annotation("SENT_START"):
        attrs.append(numpy.where(begins, 1, -1).astype("uint64"))
    view.from_array([NORM, SENT_START][: len(attrs)], numpy.stack(attrs, axis=1))
    if len(doc.tensor):
        view.tensor = doc.tensor[chosen]
    if (encoded := doc.user_data.get(ENCODED)) is not None:
        view.user_data[ENCODED] = replace(encoded, align=_without(encoded.align, ignored))
    breaks = numpy.array([text == PAGE_BREAK for text in texts])[word[chosen]]
    found = View(view, chosen.tolist(), numpy.flatnonzero(breaks).tolist())
    # The number of tokens of the view before each token, and before the end.
    places = numpy.insert(numpy.cumsum(~ignored), 0, 0).tolist()

    def moved(span: Span) -> Span:
        start, end = places[span.start], places[span.end]
        return Span(view, start, end, label=span.label, kb_id=span.kb_id)

    for name, group in doc.spans.items():
        spans = list(map(moved, group))
        view.spans[name] = SpanGroup(view, name=name, spans=spans, attrs=dict(group.attrs))
    view.set_ents(list(map(moved, doc.ents)))
    return found


def _without(align: Ragged, ignored: Any) -> Ragged:
    """The wordpieces of the tokens that are not ignored."""
    pieces, lengths = cast(Any, align.dataXd), cast(Any, align.lengths)
    return Ragged(pieces[~numpy.repeat(ignored, lengths)], lengths[~ignored])


def _is_odd(doc: Doc) -> bool:
    """Whether a document has a token with something odd. Faster than a search of its text."""
    words = doc.to_array("ORTH").tolist()
    if _plain.issuperset(words):
        return False
    unknown = set(words) - _plain
    if any(ODD.search(doc.vocab.strings[orth]) for orth in unknown):
        return True
    if len(_plain) > _MAX_CACHE:
        _plain.clear()
    _plain.update(unknown)
    return False
