"""The entities of a document as plain data that every format can write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from spacy_cardioner.spans import SPANS_KEY, Entity, get_score, vocabulary_of

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc, Span

CONTEXT = ("negated", "uncertain", "historical", "hypothetical", "family", "allergy")
SECTION = "note_section"  # the extension; the output field is "section"


class Mention(NamedTuple):
    """An entity of a note, as `spans.Entity` describes it, with its context.

    match (str | None): How the code was found: "exact", "normalised" or "part".
    section (str | None): Category of the section that it starts in.
    negated, uncertain, historical, hypothetical, family, allergy (bool | None): Its context. None
        if no component of the pipeline sets it, which is not the same as False.
    """

    start: int
    end: int
    label: str
    text: str
    score: float | None = None
    kb_id: str = ""
    match: str | None = None
    section: str | None = None
    negated: bool | None = None
    uncertain: bool | None = None
    historical: bool | None = None
    hypothetical: bool | None = None
    family: bool | None = None
    allergy: bool | None = None

    @property
    def entity(self) -> Entity:
        """The entity without its context."""
        return Entity(*self[:6])

    @property
    def vocabulary(self) -> str:
        """The vocabulary of its code, such as "ATC"; "" if it has none."""
        return vocabulary_of(self.kb_id)

    @property
    def values(self) -> tuple[Any, ...]:
        """The values of `ATTRIBUTES`; "" or None for an unknown one."""
        return (*self[4:6], self.vocabulary, *self[6:])

    @property
    def attributes(self) -> dict[str, Any]:
        """The known values by name, from "score" on."""
        values = zip(ATTRIBUTES, self.values, strict=True)
        return {name: value for name, value in values if value is not None and value != ""}


ATTRIBUTES = (*Mention._fields[4:6], "vocabulary", *Mention._fields[6:])
# What a context component sets.
OF_CONTEXT = frozenset({"section", *CONTEXT})


def known_attributes(nlp: Language) -> frozenset[str]:
    """List the context attributes that some component of a pipeline sets.

    spaCy registers extension attributes for the whole process, so a span has ``is_negated`` as soon
    as any pipeline was loaded that sets it. Only the components of this pipeline count.
    """
    metas = [nlp.get_pipe_meta(name) for name in nlp.pipe_names]
    assigned = {attribute for meta in metas for attribute in meta.assigns}
    if any(meta.factory == "medspacy_context" for meta in metas):
        # medspaCy knows no allergies.
        assigned.update(f"span._.is_{name}" for name in CONTEXT if name != "allergy")
    fields = {"section": SECTION, **{name: f"is_{name}" for name in CONTEXT}}
    return frozenset(name for name, field in fields.items() if f"span._.{field}" in assigned)


def doc_entities(doc: Doc, attributes: frozenset[str] = frozenset()) -> list[Mention]:
    """Read the entities of ``doc.spans["cardioner"]``, or of ``doc.ents`` without such a group.

    attributes (frozenset[str]): The context attributes to read, see `known_attributes`.
    RETURNS (list[Mention]): Sorted by start, end and label.
    """
    spans = doc.spans[SPANS_KEY] if SPANS_KEY in doc.spans else doc.ents
    return sorted((_mention(span, attributes) for span in spans), key=lambda found: found[:3])


def _mention(span: Span, attributes: frozenset[str]) -> Mention:
    return Mention(
        span.start_char,
        span.end_char,
        span.label_,
        span.text,
        get_score(span),
        span.kb_id_,
        _extension(span, "match"),
        _extension(span, SECTION) if "section" in attributes else None,
        **{name: bool(_extension(span, f"is_{name}")) for name in CONTEXT if name in attributes},
    )


def _extension(span: Span, name: str) -> Any:
    return span._.get(name) if span.has_extension(name) else None
