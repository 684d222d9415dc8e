"""The component `cardioner_context`: which entities are negated, uncertain, historical,
hypothetical or about the family, by medspaCy's ConText with rules for Spanish, English and Italian.
"""

# No postponed annotations: spaCy checks configs against the types of registered functions.
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacy.language import Language
from spacy.tokens import Doc, Span

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.pipeline.context.rules import (
    CONTEXT_RULES,
    RULES_FILE,
    SECTION_RULES,
    SECTIONS_FILE,
    TERMINATING_TYPES,
    RuleFile,
    check_file,
    make_rules,
    read_rules,
    read_sections,
)
from spacy_cardioner.pipeline.context.sections import SECTIONS_KEY, SectionFinder, get_section
from spacy_cardioner.pipeline.stored import DEFAULT, StoredPipe
from spacy_cardioner.spans import SPANS_KEY

if TYPE_CHECKING:
    from spacy_cardioner.pipeline.context.linear import LinearConText

# medspaCy's own categories, attributes and sections.
SPAN_ATTRS = {
    "NEGATED_EXISTENCE": {"is_negated": True},
    "POSSIBLE_EXISTENCE": {"is_uncertain": True},
    "HISTORICAL": {"is_historical": True},
    "HYPOTHETICAL": {"is_hypothetical": True},
    "FAMILY": {"is_family": True},
}
SECTION_ATTRS = {
    "past_medical_history": {"is_historical": True},
    "family_history": {"is_family": True},
}
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
            its entities get before cues are applied. The family history sets `is_family` and the
            past medical history `is_historical`, unless this sets them to false.
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
        self.section_finder = SectionFinder(
            sections[SECTION_RULES], sections.get("one_paragraph", ())
        )
        self.context = LinearConText(
            self.nlp,
            self.name,
            span_attrs=self.span_attrs,
            terminating_types=rules.get(TERMINATING_TYPES, {}),
        )
        self.context.add(make_rules(rules, self.span_attrs, self.nlp.vocab))

    def __call__(self, doc: Doc) -> Doc:
        """Find the sections of a document and set the attributes of its entities.

        RAISES (CardionerError): The document has no sentences; a file of rules is missing.
        """
        context = self._loaded()
        if not doc.has_annotation("SENT_START"):
            raise CardionerError(
                f"{self.name}: the pipeline sets no sentences; put a component that does, such as "
                "spaCy's sentencizer, before this one"
            )
        doc.spans[SECTIONS_KEY] = self.section_finder(doc)
        spans = [*doc.ents, *doc.spans.get(self.spans_key, ())]
        targets = list({(span.start, span.end, span.label): span for span in spans}.values())
        for target in targets:
            for name, value in self.section_attrs.get(get_section(target) or "", {}).items():
                target._.set(name, value)
        if targets:
            context.set_context_attributes(context.edges(doc, targets))
        return doc

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
