"""The component `cardioner_linker`: gives the drugs that were found their ATC codes."""

# No postponed annotations: spaCy checks configs against the types of registered functions.
from spacy.language import Language
from spacy.pipeline import Pipe
from spacy.tokens import Doc, Span

from spacy_cardioner.gazetteer.lexicon import Answer
from spacy_cardioner.gazetteer.patterns import LABEL
from spacy_cardioner.pipeline.gazetteer.component import GAZETTEER, find_gazetteer
from spacy_cardioner.spans import SPANS_KEY, read_entities, write_entities


@Language.factory(
    "cardioner_linker", assigns=["doc.spans", "token.ent_kb_id"], requires=["doc.ents"]
)
class Linker(Pipe):
    """Pipeline component that looks up entities in the names of the gazetteer.

    It comes after the components that find entities. For each entity of the label, in ``doc.ents``
    and in ``doc.spans[spans_key]``, it sets:

    - ``span.kb_id_``: the likeliest code, "" for an unknown name;
    - ``span._.match``: how it was found: "exact" (as in the list), "normalised" (in another case,
      spelling or language, or with a dose or a salt), "part" (only a part is known, such as one
      substance of two), or None;
    - ``span._.candidates``: all codes that the name, or its known parts, may stand for, the
      likeliest first.
    """

    def __init__(
        self,
        nlp: Language,
        name: str = "linker",
        gazetteer: str = GAZETTEER,
        label: str = LABEL,
        spans_key: str = SPANS_KEY,
    ) -> None:
        """Initialize the component. `gazetteer` is the name of the component with the names."""
        self.nlp = nlp
        self.name = name
        self.gazetteer = gazetteer
        self.label = label
        self.spans_key = spans_key
        for extension, default in (("match", None), ("candidates", ())):
            if not Span.has_extension(extension):
                Span.set_extension(extension, default=default)

    def __call__(self, doc: Doc) -> Doc:
        """Link the entities of a document."""
        for ent in doc.ents:
            if ent.label_ == self.label:
                code = self._link(ent)
                for token in ent:
                    token.ent_kb_id_ = code
        if self.spans_key in doc.spans:
            entities = [
                entity._replace(kb_id=self._link(doc[entity.start : entity.end]))
                if entity.label == self.label
                else entity
                for entity in read_entities(doc, self.spans_key)
            ]
            write_entities(doc, entities, self.spans_key)
        return doc

    def _link(self, span: Span) -> str:
        """Set the attributes of a mention, and return its code."""
        answer = self.look_up(span.text)
        span._.match = answer.match if answer else None
        span._.candidates = list(answer.candidates) if answer else []
        return answer.candidates[0] if answer else ""

    def look_up(self, mention: str) -> Answer | None:
        """Look up a mention.

        RETURNS (Optional[Answer]): How it was found and its codes, or None for an unknown name.
        RAISES (CardionerError): The pipeline has no gazetteer.
        """
        return find_gazetteer(self.nlp, self.gazetteer, self.name).lexicon.look_up(mention)
