"""Entities: their type, where a document keeps them, their scores, and which of them overlap.

A pipeline writes all entities to ``doc.spans["cardioner"]``, where entities of different labels may
overlap, and the non-overlapping ones to ``doc.ents``. ``attrs["layers"]`` of the group lists the
annotated labels: of a label that is not listed, it is unknown whether it has entities.

The score and the source of an entity are kept in ``doc.user_data`` by label and boundaries, so that
they stay with it through ``Doc.from_docs``, ``Span.as_doc(copy_user_data=True)``, ``Doc.to_bytes``
and DocBin. The scores are also in ``attrs["scores"]`` of the group, as spaCy's spancat writes them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from spacy.tokens import Doc, Span

SPANS_KEY = "cardioner"
# Key of a document's name in ``doc.user_data``.
NOTE_ID = "note_id"
# Key of what components counted, by name, in ``doc.user_data``.
COUNTS = "counts"

_SCORE, _SOURCE = "score", "source"

# One letter, two digits, one or two letters, two digits: any level of the classification.
ATC = re.compile(r"[ABCDGHJLMNPRSV](?:[0-9]{2}(?:[A-Z](?:[A-Z](?:[0-9]{2})?)?)?)?")


class Entity(NamedTuple):
    """An entity as plain data.

    start, end (int): Its boundaries, the end excluded: characters of a note, or tokens of a
        document, as the function that returns it says.
    text (str): The mention, where the boundaries are characters.
    score (float | None): Its probability, if known.
    kb_id (str): Its code, "" for none: an ATC code as it is, others with their vocabulary and a
        colon before them, such as "HP:0001645".
    source (str): Name of the component that found it, "" for an annotation.
    """

    start: int
    end: int
    label: str
    text: str = ""
    score: float | None = None
    kb_id: str = ""
    source: str = ""


# Anything with a start and an end, such as a Span or an Entity.
T = TypeVar("T", bound=Any)


def longest_first(item: Any) -> tuple[int, int]:
    """Sort key: longer before shorter, then earlier before later."""
    return item.start - item.end, item.start


def in_order(entity: Entity) -> tuple[int, int, str]:
    """Sort key: by boundaries, then by label."""
    return entity[:3]


def non_overlapping(
    items: Iterable[T], *, order: Callable[[T], Any] = longest_first, taken: Iterable[int] = ()
) -> list[T]:
    """Choose items that do not overlap.

    order (Callable): Sort key; the first of several that overlap is chosen.
    taken (Iterable[int]): Tokens or characters that may not be used.
    RETURNS (list[T]): The chosen items, in the order of the text.
    """
    used = set(taken)
    chosen: list[Any] = []
    for item in sorted(items, key=order):
        place = range(item.start, item.end)
        if used.isdisjoint(place):
            chosen.append(item)
            used.update(place)
    return sorted(chosen, key=lambda item: item.start)


def add_counts(total: dict[str, float], more: Mapping[str, float]) -> None:
    """Add counts to others of the same names."""
    for name, value in more.items():
        total[name] = total.get(name, 0) + value


def layers_of(doc: Doc, key: str = SPANS_KEY) -> set[str] | None:
    """The labels annotated in a document, or None where the document does not say."""
    layers = doc.spans[key].attrs.get("layers") if key in doc.spans else None
    return None if layers is None else set(layers)


def read_entities(doc: Doc, key: str = SPANS_KEY) -> list[Entity]:
    """Read the entities of a span group, or of ``doc.ents`` where there is no such group.

    RETURNS (list[Entity]): Sorted by start, end and label, with token boundaries.
    """
    spans = doc.spans[key] if key in doc.spans else doc.ents
    found = [
        Entity(s.start, s.end, s.label_, "", get_score(s), s.kb_id_, get_source(s)) for s in spans
    ]
    return sorted(found, key=in_order)


def write_entities(
    doc: Doc,
    entities: Iterable[Entity],
    key: str = SPANS_KEY,
    *,
    layers: Iterable[str] | None = None,
) -> list[Span]:
    """Write entities with token boundaries to a span group, in place of those that it has.

    layers (Iterable[str] | None): The annotated labels. Default: those of the old group, if it says
        which they are, and those of the entities.
    """
    from spacy.tokens import SpanGroup

    attrs: dict[str, Any] = {}
    if key in doc.spans:
        attrs = dict(doc.spans[key].attrs)
        for span in doc.spans[key]:
            for name in (_SCORE, _SOURCE):
                doc.user_data.pop(_user_data_key(span, name), None)
    entities = list(entities)
    spans = [make_span(doc, entity) for entity in entities]
    scores = [entity.score for entity in entities]
    if layers is None and "layers" in attrs:
        layers = dict.fromkeys([*attrs["layers"], *(entity.label for entity in entities)])
    if layers is not None:
        attrs["layers"] = list(layers)
    if "scores" in attrs or not entities or any(score is not None for score in scores):
        attrs["scores"] = scores
    doc.spans[key] = SpanGroup(doc, name=key, spans=spans, attrs=attrs)
    return spans


def replace_entities(
    doc: Doc, before: Iterable[Entity], after: Sequence[Entity], key: str = SPANS_KEY
) -> None:
    """Write changed entities to the span group, if the document has it, and to ``doc.ents``.

    In ``doc.ents``, entities that did not change stay. New ones are added where there is room, the
    longest first. `before` is what `read_entities` returned, `after` what it is to return now.
    """
    if key in doc.spans:
        write_entities(doc, after, key)
    gone = set(map(in_order, before)) - set(map(in_order, after))
    kept = [ent for ent in doc.ents if (ent.start, ent.end, ent.label_) not in gone]
    taken = {token.i for ent in kept for token in ent}
    ents = [*kept, *(make_span(doc, entity) for entity in non_overlapping(after, taken=taken))]
    # Tokens that nobody annotated stay unknown, as in documents that lack a layer.
    freed = {token.i for ent in doc.ents for token in ent} - {t.i for ent in ents for t in ent}
    doc.set_ents(ents, outside=[doc[i : i + 1] for i in sorted(freed)], default="unmodified")


def keep_labels(doc: Doc, labels: Collection[str], key: str = SPANS_KEY) -> None:
    """Drop the entities of other labels from the span group and from ``doc.ents``."""
    entities = read_entities(doc, key)
    given = [*entities, *(Entity(ent.start, ent.end, ent.label_) for ent in doc.ents)]
    replace_entities(doc, given, [one for one in entities if one.label in labels], key)
    if layers_of(doc, key) is not None:
        attrs = doc.spans[key].attrs
        attrs["layers"] = [label for label in attrs["layers"] if label in labels]


def make_span(doc: Doc, entity: Entity) -> Span:
    """Make the span of an entity with token boundaries, and note its score and source."""
    from spacy.tokens import Span

    register_extensions()
    span = Span(doc, entity.start, entity.end, entity.label, kb_id=entity.kb_id)
    for name, value in ((_SCORE, entity.score), (_SOURCE, entity.source or None)):
        if value is not None:
            doc.user_data[_user_data_key(span, name)] = value
    return span


def get_score(span: Span) -> float | None:
    """The probability of an entity, or None. This is what ``span._.score`` returns."""
    score = span.doc.user_data.get(_user_data_key(span, _SCORE))
    return _score_in_groups(span) if score is None else float(score)


def get_source(span: Span) -> str:
    """The component that found an entity, or "". This is what ``span._.source`` returns."""
    return str(span.doc.user_data.get(_user_data_key(span, _SOURCE), ""))


def vocabulary_of(code: str) -> str:
    """The vocabulary of a code: "MONDO" of "MONDO:0005068", "ATC" of "C07AB07"; "" if unknown."""
    vocabulary, _, rest = code.partition(":")
    if rest:
        return vocabulary
    return "ATC" if ATC.fullmatch(code) else ""


def get_vocabulary(span: Span) -> str:
    """The vocabulary of the code of an entity, or "". ``span._.vocabulary`` returns this."""
    return vocabulary_of(span.kb_id_)


def register_extensions() -> None:
    """Register ``span._.score``, ``source`` and ``vocabulary``, unless others have the name."""
    from spacy.tokens import Span

    getters = ((_SCORE, get_score), (_SOURCE, get_source), ("vocabulary", get_vocabulary))
    for name, getter in getters:
        if not Span.has_extension(name):
            Span.set_extension(name, getter=getter)


def _user_data_key(span: Span, name: str) -> Any:
    """The key of a value in ``doc.user_data``, which spaCy types as str.

    spaCy moves values under such a key along with their span. Its own keys have no label, but
    entities of two labels may have the same boundaries.
    """
    return "._.", f"{name}:{span.label_}", span.start_char, span.end_char


def _score_in_groups(span: Span) -> float | None:
    """The score in a span group, for documents that were saved without their user data."""
    for group in span.doc.spans.values():
        for other, score in zip(group, group.attrs.get("scores") or (), strict=False):
            if (other.start, other.end, other.label) == (span.start, span.end, span.label):
                return None if score is None else float(score)
    return None
