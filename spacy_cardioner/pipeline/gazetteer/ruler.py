"""The component `cardioner_ruler`: adds names of the gazetteer that the model missed."""

# No postponed annotations: spaCy checks configs against the types of registered functions.
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.corpus import FILE_TYPE, walk_corpus

from spacy_cardioner.corpus import read_docbin
from spacy_cardioner.gazetteer.normalise import pieces
from spacy_cardioner.gazetteer.precision import Precision
from spacy_cardioner.pipeline.gazetteer.component import (
    GAZETTEER,
    Gazetteer,
    find_gazetteer,
    get_marks,
)
from spacy_cardioner.pipeline.gazetteer.marks import CONDITION, Mark
from spacy_cardioner.pipeline.stored import StoredPipe
from spacy_cardioner.spans import (
    SPANS_KEY,
    Entity,
    in_order,
    layers_of,
    read_entities,
    replace_entities,
)

PRECISION_FILE = "precision.json"


@Language.factory(
    "cardioner_ruler",
    assigns=["doc.spans", "doc.ents", "token.ent_iob", "token.ent_type"],
    requires=["doc.spans"],
)
class Ruler(StoredPipe):
    """Pipeline component that turns marked names into entities.

    It comes after the components that find entities and before `cardioner_linker`. A name that the
    gazetteer marked becomes an entity if it overlaps no entity of its label, if it is not an
    analyte in a laboratory context, and if it is precise enough (see `initialize`) or its pattern
    has "always". It is added to ``doc.spans[spans_key]``, if the document has this group, with its
    precision as score; and to ``doc.ents`` if it overlaps no other entity there.
    """

    files = (PRECISION_FILE,)

    def __init__(
        self,
        nlp: Language,
        name: str = "ruler",
        threshold: float = 0.7,
        gazetteer: str = GAZETTEER,
        spans_key: str = SPANS_KEY,
    ) -> None:
        """Initialize the component. Names with a precision below the threshold are ignored."""
        self.nlp = nlp
        self.name = name
        self.threshold = threshold
        self.gazetteer = gazetteer
        self.spans_key = spans_key
        self.precision = Precision()

    def __call__(self, doc: Doc) -> Doc:
        """Add the missing entities of a document."""
        if added := list(self.find(doc)):
            before = read_entities(doc, self.spans_key)
            after = sorted([*before, *added], key=in_order)
            replace_entities(doc, before, after, self.spans_key)
        return doc

    def find(self, doc: Doc) -> Iterator[Entity]:
        """Find the missing entities, in the order of the text, without modifying the document.

        RAISES (CardionerError): The pipeline has no gazetteer.
        """
        taken = {
            (span.label_, token)
            for span in (*doc.spans.get(self.spans_key, ()), *doc.ents)
            for token in range(span.start, span.end)
        }
        gazetteer = find_gazetteer(self.nlp, self.gazetteer, self.name)
        layers = layers_of(doc, self.spans_key) or set()
        for mark in get_marks(doc, gazetteer.spans_key):
            # Of the usual abbreviations, only those of the labels of the model.
            if mark.kind == CONDITION and mark.label not in layers:
                continue
            place = range(mark.start, mark.end)
            free = taken.isdisjoint((mark.label, token) for token in place)
            if free and not (mark.analyte and mark.laboratory):
                score = 1.0 if mark.always else self.precision.of(*_counted_as(mark, doc))
                if mark.always or score >= self.threshold:
                    code = next(iter(mark.candidates), "")
                    yield Entity(*mark[:3], score=score, kb_id=code, source=self.name)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        corpus: str | list[str] | None = None,
    ) -> None:
        """Measure how often each name of the gazetteer is an entity in annotated documents.

        Documents in which its label was not annotated do not count. Where nothing can be measured,
        only names with "always" are added.

        corpus (Optional[Union[str, List[str]]]): DocBins or folders of them, for `spacy assemble`.
        RAISES (CardionerError): The pipeline has no gazetteer; a file is not a DocBin.
        """
        self.nlp = nlp or self.nlp
        gazetteer = find_gazetteer(self.nlp, self.gazetteer, self.name)
        self.precision = Precision()
        if corpus is None:
            docs = (example.reference for example in get_examples())
        else:
            given = [corpus] if isinstance(corpus, str) else corpus
            paths = [path for each in given for path in walk_corpus(each, FILE_TYPE)]
            docs = (doc for path in paths for doc in read_docbin(path, self.nlp.vocab))
        for doc in docs:
            if self.spans_key in doc.spans:
                self._count(gazetteer, doc)

    def _count(self, gazetteer: Gazetteer, doc: Doc) -> None:
        """Count the names of an annotated document."""
        layers = layers_of(doc, self.spans_key)
        gold = {(span.start, span.end, span.label_) for span in doc.spans[self.spans_key]}
        for mark in gazetteer.find(doc):
            measured = mark.analyte and mark.laboratory
            if not measured and (layers is None or mark.label in layers):
                right = (mark.start, mark.end, mark.label) in gold
                self.precision.count(*_counted_as(mark, doc), right=right)

    def get_data(self) -> Mapping[str, Any]:
        """RETURNS (Mapping[str, Any]): The counts."""
        return {PRECISION_FILE: self.precision.to_dict()}

    def set_data(self, data: Mapping[str, Any]) -> None:
        """Replace the counts."""
        self.precision = Precision.from_dict(data[PRECISION_FILE])


def _counted_as(mark: Mark, doc: Doc) -> tuple[str, str]:
    """The group and the name that a mark counts for."""
    name = " ".join(pieces(doc[mark.start : mark.end].text))
    return ("analyte" if mark.analyte else mark.kind), name
