"""A document as a reader sees it: without the tokens and characters that are not seen.

Models and rules know ordinary texts. They work on this view of a document, so that an invisible
character changes nothing, and what they find is brought back to the tokens of the document.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar, cast

import numpy
from spacy.attrs import NORM, ORTH, SENT_START, SPACY
from spacy.tokens import Doc, Span, SpanGroup

from spacy_cardioner.characters import ODD, PAGE_BREAK, is_ignored, seen
from spacy_cardioner.spans import Entity

# Anything with a start and an end that is a named tuple, such as an Entity.
T = TypeVar("T", bound=Any)

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
    """Make the view of a document, with its sentences, entities, span groups and tensor."""
    if not _is_odd(doc):
        return View(doc, range(len(doc)))
    orths, norms, spaced, starts = doc.to_array([ORTH, NORM, SPACY, SENT_START]).T.tolist()
    texts = {orth: doc.vocab.strings[orth] for orth in set(orths)}
    looks = {orth: seen(text) for orth, text in texts.items()}
    ignored = {orth for orth, text in texts.items() if is_ignored(text)}
    places: list[int] = []
    spaces: list[bool] = []
    begins: list[bool] = []
    begun = False
    for place, orth in enumerate(orths):
        # An ignored token may start a sentence, or be the space after a word.
        begun = begun or starts[place] == 1
        space = bool(spaced[place]) or (orth in ignored and texts[orth].isspace())
        if orth not in ignored:
            places.append(place)
            spaces.append(space)
            begins.append(begun)
            begun = False
        elif places:
            spaces[-1] = spaces[-1] or space
    view = Doc(
        doc.vocab,
        words=[looks[orths[place]] for place in places],
        spaces=spaces,
        sent_starts=list[bool | int | None](begins) if doc.has_annotation("SENT_START") else None,
    )
    chosen = numpy.asarray(places, dtype="i")
    seen_norms: Any = numpy.asarray(norms, dtype="uint64")[chosen].reshape(-1, 1)
    view.from_array([NORM], seen_norms)
    if len(doc.tensor):
        view.tensor = doc.tensor[chosen]
    breaks = [index for index, place in enumerate(places) if texts[orths[place]] == PAGE_BREAK]
    found = View(view, places, breaks)
    for name, group in doc.spans.items():
        spans = [_moved(found, span) for span in group]
        view.spans[name] = SpanGroup(view, name=name, spans=spans, attrs=dict(group.attrs))
    view.set_ents([_moved(found, ent) for ent in doc.ents])
    return found


def _is_odd(doc: Doc) -> bool:
    """Whether a document has a token with something odd. Faster than a search of its text."""
    unknown = set(doc.to_array("ORTH").tolist()) - _plain
    if any(ODD.search(doc.vocab.strings[orth]) for orth in unknown):
        return True
    if len(_plain) > _MAX_CACHE:
        _plain.clear()
    _plain.update(unknown)
    return False


def _moved(view: View, span: Span) -> Span:
    """The span of a document in its view."""
    place = view.forth(Entity(span.start, span.end, span.label_))
    return Span(view.doc, place.start, place.end, label=span.label, kb_id=span.kb_id)
