"""The component `cardioner_context`: which entities are negated, uncertain, historical,
hypothetical, about the family or an allergy, by medspaCy's ConText with rules for Spanish, English
and Italian.
"""

# No postponed annotations: spaCy checks configs against the types of registered functions.
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacy.language import Language
from spacy.tokens import Doc, Span

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.gazetteer.patterns import LABEL as DRUG
from spacy_cardioner.pipeline.context.checks import (
    ANSWERS,
    CONTEXT_RULES,
    NAMES,
    SECTION_RULES,
    TERMINATING_TYPES,
    RuleFile,
    check_file,
)
from spacy_cardioner.pipeline.context.items import LONGEST_CLAUSE
from spacy_cardioner.pipeline.context.rules import (
    RULES_FILE,
    SECTIONS_FILE,
    make_rules,
    read_rules,
    read_sections,
)
from spacy_cardioner.pipeline.context.sections import (
    SECTIONS_KEY,
    Section,
    SectionFinder,
    as_spans,
    get_section,
)
from spacy_cardioner.pipeline.stored import DEFAULT, StoredPipe
from spacy_cardioner.spans import SPANS_KEY
from spacy_cardioner.visible import visible

if TYPE_CHECKING:
    from medspacy.context import ConTextModifier

    from spacy_cardioner.pipeline.context.linear import Edge, LinearConText

# medspaCy's own categories, attributes and sections.
SPAN_ATTRS = {
    "NEGATED_EXISTENCE": {"is_negated": True},
    "POSSIBLE_EXISTENCE": {"is_uncertain": True},
    "HISTORICAL": {"is_historical": True},
    "HYPOTHETICAL": {"is_hypothetical": True},
    "FAMILY": {"is_family": True},
    "ALLERGY": {"is_allergy": True},
}
SECTION_ATTRS = {
    "past_medical_history": {"is_historical": True},
    "family_history": {"is_family": True},
    "allergies": {"is_allergy": True},
}
# Sections that speak of drugs only, or of all but drugs: what a patient takes is often listed under
# the history.
OF_DRUGS = {"allergies": True, "past_medical_history": False}
# Cues in the title of a section: the section has said it.
SAID_BY_TITLES = ("HISTORICAL", "FAMILY", "ALLERGY")
CONTEXT_ATTRIBUTES = tuple(name for attrs in SPAN_ATTRS.values() for name in attrs)

Attributes = dict[str, dict[str, Any]]


@Language.factory(
    "cardioner_context",
    assigns=[
        "doc.spans",
        "span._.note_section",
        *(f"span._.{name}" for name in CONTEXT_ATTRIBUTES),
    ],
    requires=["doc.ents", "token.is_sent_start"],
    # spaCy merges these with the settings of a config.
    default_config={"span_attrs": SPAN_ATTRS, "section_attrs": SECTION_ATTRS},
)
class Context(StoredPipe):
    """Pipeline component that sets the context attributes of entities. It needs medspaCy.

    It looks at the entities in ``doc.ents`` and ``doc.spans[spans_key]``, within the sentences that
    the pipeline has set.
    """

    files = (RULES_FILE, SECTIONS_FILE)

    def __init__(
        self,
        nlp: Language,
        name: str = "context",
        rules: str | list[str] = DEFAULT,
        sections: str | None = DEFAULT,
        language: str | None = None,
        spans_key: str = SPANS_KEY,
        span_attrs: Attributes = SPAN_ATTRS,
        section_attrs: Attributes = SECTION_ATTRS,
    ) -> None:
        """Initialize the component.

        rules (Union[str, List[str]]): "default" for the rules of the language, the path of a file
            in medspaCy's format, or a list of these, see `read_rules`. Saved with the pipeline.
        sections (Optional[str]): "default" for the section titles of the language, the path of a
            file in medspaCy's format, or None for no sections.
        language (Optional[str]): Language of the defaults, if it is not the pipeline's.
        span_attrs (Dict[str, Dict[str, Any]]): For each category of cues, attributes to set in
            addition to medspaCy's.
        section_attrs (Dict[str, Dict[str, Any]]): For each category of sections, attributes that
            its entities get before cues are applied. The family history sets `is_family`, the past
            medical history `is_historical` on all but drugs, and the allergies `is_allergy` on
            drugs, unless this sets them to false.
        RAISES (CardionerError): medspaCy or the rules are missing; a file is malformed.
        """
        self.nlp = nlp
        self.name = name
        self.spans_key = spans_key
        self.span_attrs = span_attrs
        self.section_attrs = section_attrs
        self.context: LinearConText | None = None
        register_attributes(span_attrs, section_attrs)
        require_medspacy()
        lang = language or nlp.lang or ""
        sources = [rules] if isinstance(rules, str) else list(rules)
        # A missing file is no error yet: a saved pipeline has its own rules.
        paths = [path for path in (*sources, sections) if path not in (DEFAULT, None)]
        self.missing = [str(path) for path in paths if not Path(str(path)).exists()]
        if not self.missing:
            self._use(read_rules(sources, lang), read_sections(sections, lang))

    def _use(self, rules: RuleFile, sections: RuleFile) -> None:
        from spacy_cardioner.pipeline.context.linear import LinearConText

        self.rules = rules
        self.sections = sections
        self.section_finder = SectionFinder.from_file(sections)
        self.context = LinearConText(
            self.nlp,
            self.name,
            span_attrs=self.span_attrs,
            terminating_types=rules.get(TERMINATING_TYPES, {}),
            answers=rules.get(ANSWERS, {}),
            names=rules.get(NAMES, {}),
        )
        self.context.add(make_rules(rules, self.span_attrs))

    def __call__(self, doc: Doc) -> Doc:
        """Find the sections of a document and set the attributes of its entities.

        RAISES (CardionerError): The document has no sentences; a file of rules is missing.
        """
        self._loaded()
        if not doc.has_annotation("SENT_START"):
            raise CardionerError(
                f"{self.name}: the pipeline sets no sentences; put a component that does, such as "
                "spaCy's sentencizer, before this one"
            )
        view = visible(doc)
        sections = self.section_finder.find(view.doc)
        view.doc.spans[SECTIONS_KEY] = as_spans(view.doc, sections)
        self._set_attributes(view.doc, sections)
        if view.doc is not doc:
            doc.spans[SECTIONS_KEY] = as_spans(doc, map(view.back, sections))
            self._take_over(doc, view.doc)
        return doc

    def _take_over(self, doc: Doc, view: Doc) -> None:
        """Take over the attributes of the entities from the view of a document."""
        given = (*self.span_attrs.values(), *self.section_attrs.values())
        names = {name for attrs in given for name in attrs}
        for span, seen in zip(self._targets(doc), self._targets(view), strict=True):
            for name in names:
                span._.set(name, seen._.get(name))

    def _targets(self, doc: Doc) -> list[Span]:
        """The entities of a document."""
        spans = [*doc.ents, *doc.spans.get(self.spans_key, ())]
        return list({(span.start, span.end, span.label): span for span in spans}.values())

    def _set_attributes(self, doc: Doc, sections: Sequence[Section]) -> None:
        """Set the attributes of the entities of a document."""
        context = self._loaded()
        targets = self._targets(doc)
        if targets:
            edges, turns = context.edges(doc, targets)
            for target in targets:
                self._set_section(target, turns)
            titles = {place for one in sections for place in range(one.start, one.body)}
            edges = [
                (target, cue)
                for target, cue in edges
                if cue.category not in SAID_BY_TITLES or cue.modifier_span[0] not in titles
            ]
            context.set_context_attributes(without_negated_allergies(edges, targets))

    def _set_section(self, target: Span, turns: Sequence["ConTextModifier"]) -> None:
        """Set the attributes that a target has by its section.

        turns (Sequence[ConTextModifier]): Cues after which the sentence is no longer about the
            section: "AF: padre con IAM, acude por disnea", "Alergias: penicilina, toma enalapril".
        """
        category = get_section(target)
        if category not in self.section_attrs:
            return
        place = bisect_right(turns, target.start, key=end_of) - 1
        # A relative may take a drug too.
        if place >= 0 and (category == "allergies" or turns[place].category != "TAKES"):
            end = end_of(turns[place])
            near = target.start - end < LONGEST_CLAUSE
            if near and not any(
                token.is_sent_start for token in target.doc[end : target.start + 1]
            ):
                return
        if OF_DRUGS.get(category, target.label_ == DRUG) != (target.label_ == DRUG):
            return
        for name, value in self.section_attrs[category].items():
            target._.set(name, value)

    def _loaded(self) -> "LinearConText":
        if self.context is None:
            raise CardionerError(f"{self.missing[0]}: no such file of rules or titles")
        return self.context

    def get_data(self) -> Mapping[str, Any]:
        """RETURNS (Mapping[str, Any]): The rules and titles, in medspaCy's format."""
        self._loaded()
        return {RULES_FILE: self.rules, SECTIONS_FILE: self.sections}

    def set_data(self, data: Mapping[str, Any]) -> None:
        """Replace the rules and titles."""
        self._use(
            check_file(data[RULES_FILE], CONTEXT_RULES, f"{self.name}/{RULES_FILE}"),
            check_file(data[SECTIONS_FILE], SECTION_RULES, f"{self.name}/{SECTIONS_FILE}"),
        )


def end_of(cue: "ConTextModifier") -> int:
    """The token after a cue."""
    return int(cue.modifier_span[1])


def without_negated_allergies(edges: Iterable["Edge"], targets: Iterable[Span]) -> list["Edge"]:
    """A drug is not allergic and negated at once.

    "No alergia a X" is no allergy. "Alérgico a X (suspendido)" is one: that X was stopped says
    nothing more.
    """
    edges = list(edges)
    allergies = {target for target, cue in edges if cue.category == "ALLERGY"}
    allergies.update(target for target in targets if target._.is_allergy)
    if not allergies:
        return edges
    places = {
        (target, place)
        for target, cue in edges
        if cue.category == "ALLERGY"
        for place in range(*cue.modifier_span)
    }
    denied = {
        target
        for target, cue in edges
        if cue.category == "NEGATED_EXISTENCE"
        and "BEGIN" not in cue.rule.terminated_by
        and (target, cue.modifier_span[0]) not in places
    }
    for target in denied:
        if target._.is_allergy:
            target._.is_allergy = False
    allergies = {target for target, cue in edges if cue.category == "ALLERGY"} - denied
    allergies.update(target for target in targets if target._.is_allergy)
    return [
        (target, cue)
        for target, cue in edges
        if not (cue.category == "ALLERGY" and target in denied)
        and not (cue.category == "NEGATED_EXISTENCE" and target in allergies)
    ]


def register_attributes(*attributes: Mapping[str, Mapping[str, Any]]) -> None:
    """Register ``span._.note_section`` and the context attributes.

    Creating the component does so. Call it before reading documents with context in a program that
    does not create it.

    attributes (Mapping): `span_attrs` and `section_attrs` of the component, for more attributes.
    """
    names = [name for mapping in attributes for attrs in mapping.values() for name in attrs]
    for name in (*CONTEXT_ATTRIBUTES, *names):
        if not Span.has_extension(name):
            Span.set_extension(name, default=False if name in CONTEXT_ATTRIBUTES else None)
    if not Span.has_extension("note_section"):
        Span.set_extension("note_section", getter=get_section)


def require_medspacy() -> None:
    """Import medspaCy, and restore the filters of warnings, which it changes.

    RAISES (CardionerError): It is not installed.
    """
    with warnings.catch_warnings():
        try:
            import medspacy.context  # noqa: F401
        except ImportError as error:
            raise CardionerError(
                f"cardioner_context needs medspaCy ({error}). Install it: "
                'pip install "spacy_cardioner[context]"'
            ) from error
