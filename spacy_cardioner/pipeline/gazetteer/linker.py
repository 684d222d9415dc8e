"""The component `cardioner_linker`: gives the drugs that were found their ATC codes."""

# No `from __future__ import annotations`: configs are checked against the types of the registered
# functions, which must not be strings.
from collections.abc import Iterable

from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from spacy.vocab import Vocab

from spacy_cardioner.gazetteer.lexicon import Answer
from spacy_cardioner.gazetteer.patterns import LABEL, Pattern
from spacy_cardioner.pipeline.gazetteer.component import NamePipe
from spacy_cardioner.spans import SPANS_KEY

_MAX_CACHE = 50_000


@Language.factory(
    "cardioner_linker",
    assigns=["doc.spans", "token.ent_kb_id"],
    requires=["doc.ents"],
    default_config={"label": LABEL, "spans_key": SPANS_KEY},
)
def make_linker(nlp: Language, name: str, label: str, spans_key: str) -> "Linker":
    """Create a Linker component. It stands after the components that find entities.

    The names come from a patterns file, as those of the component `gazetteer` do. For each entity
    of the label, in ``doc.ents`` and in ``doc.spans[spans_key]``:

    - ``span.kb_id_`` is the likeliest code, "" where the name is not known;
    - ``span._.match`` says how it was found: "exact" (as the list has it), "normalised" (in another
      case or spelling, with a dose or a salt, or in another language), "part" (only a part of it
      is known, such as one substance of two), or None;
    - ``span._.candidates`` has all codes that the name may stand for, the likeliest first; of a
      combination that is known by its parts, the codes of all parts.

    name (str): The component instance name.
    label (str): The label of the entities that get codes.
    spans_key (str): Key of the Doc.spans dict where overlapping entities are.
    """
    return Linker(nlp.vocab, name, label=label, spans_key=spans_key)


class Linker(NamePipe):
    """Pipeline component that looks entities up in a list of names."""

    def __init__(
        self,
        vocab: Vocab,
        name: str = "cardioner_linker",
        *,
        label: str = LABEL,
        spans_key: str = SPANS_KEY,
    ) -> None:
        """Initialize the component. `make_linker` describes the arguments."""
        super().__init__(vocab, name)
        self.label = label
        self.spans_key = spans_key
        self._cache: dict[str, Answer | None] = {}
        if not Span.has_extension("match"):
            Span.set_extension("match", default=None)
        if not Span.has_extension("candidates"):
            Span.set_extension("candidates", default=())

    def __call__(self, doc: Doc) -> Doc:
        """Give the drugs of one document their codes.

        doc (Doc): The document.
        RETURNS (Doc): The same document.
        """
        for ent in doc.ents:
            if ent.label_ == self.label:
                code = self._link(ent)
                for token in ent:
                    token.ent_kb_id_ = code
        if self.spans_key in doc.spans:
            group = doc.spans[self.spans_key]
            spans = [self._linked(span) for span in group]
            doc.spans[self.spans_key] = SpanGroup(
                doc, name=group.name, attrs=group.attrs, spans=spans
            )
        return doc

    def _linked(self, span: Span) -> Span:
        """The span with its code: the spans of a group cannot be changed in their place."""
        if span.label_ != self.label:
            return span
        code = self._link(span)
        return Span(span.doc, span.start, span.end, span.label, kb_id=code, span_id=span.id)

    def _link(self, span: Span) -> str:
        """Note how a mention is found, and give back its code."""
        answer = self.look_up(span.text)
        span._.match = answer.match if answer else None
        span._.candidates = list(answer.candidates) if answer else []
        return answer.candidates[0] if answer else ""

    def look_up(self, name: str) -> Answer | None:
        """Find out which name of the list a mention is.

        name (str): The mention.
        RETURNS (Optional[Answer]): How it was found, and its codes; None where it is not known.
        """
        if name not in self._cache:
            if len(self._cache) > _MAX_CACHE:
                self._cache.clear()
            self._cache[name] = self.lexicon.look_up(name)
        return self._cache[name]

    def _add(self, patterns: Iterable[Pattern]) -> None:
        super()._add(patterns)
        self._cache.clear()

    def clear(self) -> None:
        """Forget all names."""
        super().clear()
        self._cache.clear()
