"""Entities as plain data: read from a document by components that change them, and written back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from spacy.tokens import Doc, Span, SpanGroup


class Found(NamedTuple):
    """An entity.

    start, end (int): Its first token, and the one after its last.
    label (str): Its label.
    score (float | None): How probable it is, where the pipeline says so.
    kb_id, span_id (str): Its codes, "" for none.
    """

    start: int
    end: int
    label: str
    score: float | None = None
    kb_id: str = ""
    span_id: str = ""


def read_found(doc: Doc, key: str) -> list[Found]:
    """Read the entities of a document.

    doc (Doc): The document.
    key (str): Key of the span group that holds them; where the document has no such group, those in
        ``doc.ents`` are read.
    RETURNS (List[Found]): The entities, sorted.
    """
    if key not in doc.spans:
        return sorted(_found(ent) for ent in doc.ents)
    group = doc.spans[key]
    scores = group.attrs.get("scores") or [None] * len(group)
    return sorted(_found(span, score) for span, score in zip(group, scores, strict=True))


def write_found(doc: Doc, key: str, before: Sequence[Found], after: Sequence[Found]) -> None:
    """Write what became of a document's entities, to the group if there is one and to ``doc.ents``.

    There, entities that have not changed stay; new ones go where there is room, the longest first.

    doc (Doc): The document to modify.
    key (str): Key of the span group.
    before, after (Sequence[Found]): What `read_found` gave, and what it should give now.
    """
    if key in doc.spans:
        _write_group(doc, key, after)
    _write_ents(doc, before, after)


def _found(span: Span, score: float | None = None) -> Found:
    return Found(span.start, span.end, span.label_, score, span.kb_id_, span.id_)


def _span(doc: Doc, found: Found) -> Span:
    return Span(doc, found.start, found.end, found.label, kb_id=found.kb_id, span_id=found.span_id)


def _write_group(doc: Doc, key: str, found: Sequence[Found]) -> None:
    """Replace the spans of a group; what it says of each span stays in step."""
    attrs = dict(doc.spans[key].attrs)
    if "scores" in attrs:
        attrs["scores"] = [one.score for one in found]
    spans = [_span(doc, one) for one in found]
    doc.spans[key] = SpanGroup(doc, name=key, attrs=attrs, spans=spans)


def _write_ents(doc: Doc, before: Sequence[Found], after: Sequence[Found]) -> None:
    old, new = ({(one.start, one.end, one.label) for one in each} for each in (before, after))
    gone = old - new
    chosen = [ent for ent in doc.ents if (ent.start, ent.end, ent.label_) not in gone]
    taken = {token.i for ent in chosen for token in ent}
    for one in sorted(after, key=lambda one: one.start - one.end):
        tokens = range(one.start, one.end)
        if taken.isdisjoint(tokens):
            chosen.append(_span(doc, one))
            taken.update(tokens)
    # Tokens that nobody annotated stay unknown, as in documents that lack a layer.
    freed = [
        doc[token.i : token.i + 1] for ent in doc.ents for token in ent if token.i not in taken
    ]
    doc.set_ents(chosen, outside=freed, default="unmodified")
