"""A document as a reader sees it: without the tokens and characters that are not seen.

Models and rules know ordinary texts. They work on this view of a document, so that an invisible
character changes nothing, and what they find is brought back to the tokens of the document.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy
from spacy.attrs import NORM
from spacy.tokens import Doc, Span, SpanGroup

from spacy_cardioner.characters import ODD, PAGE_BREAK, is_ignored, seen


class View(NamedTuple):
    """A document as it is seen.

    doc (Doc): The document itself, if nothing in it is odd, or a copy.
    places (Sequence[int]): The index in the document of each token of the view.
    breaks (Sequence[int]): The tokens of the view that are page breaks, and look like line feeds.
    """

    doc: Doc
    places: Sequence[int]
    breaks: Sequence[int] = ()

    def back(self, start: int, end: int) -> tuple[int, int]:
        """The boundaries in the document of tokens of the view."""
        return self.places[start], self.places[end - 1] + 1

    def forth(self, start: int, end: int) -> tuple[int, int]:
        """The boundaries in the view of tokens of the document."""
        return bisect_left(self.places, start), bisect_left(self.places, end)


def visible(doc: Doc) -> View:
    """Make the view of a document, with its sentences, entities, span groups and tensor."""
    if not ODD.search(doc.text):
        return View(doc, range(len(doc)))
    places = [token.i for token in doc if not is_ignored(token.text)]
    # An ignored token may start a sentence, or be the space after a word.
    since = [doc[last + 1 : place + 1] for last, place in pairwise((-1, *places))]
    until = [doc[place + 1 : following] for place, following in pairwise((*places, len(doc)))]
    view = Doc(
        doc.vocab,
        words=[seen(doc[place].text) for place in places],
        spaces=[
            bool(doc[place].whitespace_) or any(one.whitespace_ or one.is_space for one in ignored)
            for place, ignored in zip(places, until, strict=True)
        ],
        sent_starts=[_starts(part) for part in since] if doc.has_annotation("SENT_START") else None,
    )
    chosen = numpy.asarray(places, dtype="i")
    norms: Any = doc.to_array([NORM]).reshape(-1, 1)[chosen]
    view.from_array([NORM], norms)
    if len(doc.tensor):
        view.tensor = doc.tensor[chosen]
    breaks = [index for index, place in enumerate(places) if doc[place].text == PAGE_BREAK]
    found = View(view, places, breaks)
    for name, group in doc.spans.items():
        spans = [_moved(view, span, found) for span in group]
        view.spans[name] = SpanGroup(view, name=name, spans=spans, attrs=dict(group.attrs))
    view.set_ents([_moved(view, ent, found) for ent in doc.ents])
    return found


def _starts(part: Span) -> bool:
    return any(token.is_sent_start for token in part)


def _moved(view: Doc, span: Span, found: View) -> Span:
    start, end = found.forth(span.start, span.end)
    return Span(view, start, end, label=span.label, kb_id=span.kb_id)
