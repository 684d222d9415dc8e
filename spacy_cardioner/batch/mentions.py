"""What a pipeline found in a note, as plain data that every format can write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc, Span

CONTEXT = ("negated", "uncertain", "historical", "hypothetical", "family")


class Mention(NamedTuple):
    """An entity that a pipeline found; offsets in code points of the note.

    start, end (int): Its first character, and the one after its last.
    label (str): Its label.
    text (str): Its characters, exactly those of the note from start to end.
    score (float | None): How sure the pipeline is, where it says so.
    kb_id (str): The code that the pipeline linked it to, for a drug its ATC code; or "".
    match (str | None): How the code was found: "exact", "normalised" or "part".
    section (str | None): The category of the section that it starts in.
    negated, uncertain, historical, hypothetical, family (bool | None): Its context; None where the
        pipeline has no component that looks at it, which is not the same as False.
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

    @property
    def attributes(self) -> dict[str, Any]:
        """All but place, label and text: what is known of it, by name."""
        return {
            name: value
            for name, value in zip(self._fields[4:], self[4:], strict=True)
            if value is not None and value != ""
        }


ATTRIBUTES = Mention._fields[4:]


def known_attributes(nlp: Language) -> frozenset[str]:
    """The attributes of context that some component of a pipeline sets.

    spaCy keeps extension attributes for the whole program, so that a span of any pipeline has
    ``is_negated`` once another pipeline has brought it. Only what a component of this one sets is
    an answer.

    RETURNS (frozenset[str]): Names out of "section", "negated", "uncertain" and so on.
    """
    known: set[str] = set()
    for name in nlp.pipe_names:
        meta = nlp.get_pipe_meta(name)
        if meta.factory == "medspacy_context":
            known.update(CONTEXT)
        assigned = {what.removeprefix("span._.").removeprefix("is_") for what in meta.assigns}
        known |= assigned & {"section", *CONTEXT}
    return frozenset(known)


def doc_entities(doc: Doc, attributes: frozenset[str] = frozenset()) -> list[Mention]:
    """The entities of a document: all of `doc.spans["cardioner"]` where the pipeline writes that
    group, which may overlap; else `doc.ents`.

    attributes (frozenset[str]): The attributes of context to take along: `known_attributes`.
    RETURNS (list[Mention]): Sorted by start, end and label.
    """
    from spacy_cardioner.spans import SPANS_KEY

    spans = doc.spans.get(SPANS_KEY, doc.ents)
    return sorted((_mention(span, attributes) for span in spans), key=lambda found: found[:3])


def _mention(span: Span, attributes: frozenset[str]) -> Mention:
    score = _extension(span, "score")
    section = _extension(span, "section") if "section" in attributes else None
    context = {name: bool(_extension(span, f"is_{name}")) for name in CONTEXT if name in attributes}
    return Mention(
        span.start_char,
        span.end_char,
        span.label_,
        span.text,
        None if score is None else float(score),
        span.kb_id_,
        _extension(span, "match"),
        section,
        **context,
    )


def _extension(span: Span, name: str) -> Any:
    return span._.get(name) if span.has_extension(name) else None
