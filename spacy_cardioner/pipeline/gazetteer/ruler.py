"""The component `cardioner_ruler`: adds drugs of the list that the model has missed."""

# No `from __future__ import annotations`: configs are checked against the types of the registered
# functions, which must not be strings.
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import srsly
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_cardioner.corpus import read_docbin
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.gazetteer.normalise import pieces
from spacy_cardioner.gazetteer.precision import Precision
from spacy_cardioner.pipeline.gazetteer.component import SPANS_KEY as MARKS_KEY
from spacy_cardioner.pipeline.gazetteer.component import Gazetteer, Mark, NamePipe, get_marks
from spacy_cardioner.spans import SPANS_KEY, layers_of

PRECISION_FILE = "precision.json"
_ANALYTE = "analyte"


@Language.factory(
    "cardioner_ruler",
    assigns=["doc.spans", "doc.ents", "token.ent_iob", "token.ent_type"],
    requires=["doc.spans"],
    default_config={"threshold": 0.7, "spans_key": SPANS_KEY, "marks_key": MARKS_KEY},
)
def make_ruler(
    nlp: Language, name: str, threshold: float, spans_key: str, marks_key: str
) -> "Ruler":
    """Create a Ruler component. It stands after the components that find entities, and
    before `cardioner_linker`, and needs `gazetteer` at the pipeline's start.

    What `gazetteer` marked becomes an entity where no other entity of the label is, if it does not
    name an analyte in a laboratory context, and if the name is precise enough: see `initialize`.
    It is written to ``doc.spans[spans_key]``, where the document has this group, with its precision
    among the group's scores; and to ``doc.ents`` if it overlaps none of these. Nothing that is
    there is changed.

    The component's own patterns are names that are entities whatever was measured.

    name (str): The component instance name.
    threshold (float): Leave out names that are less precise than this.
    spans_key (str): Key of the Doc.spans dict where overlapping entities are.
    marks_key (str): Key of the Doc.spans dict where `gazetteer` writes.
    """
    return Ruler(nlp.vocab, name, threshold=threshold, spans_key=spans_key, marks_key=marks_key)


class Ruler(NamePipe):
    """Pipeline component that makes entities of marked names, where there are none."""

    def __init__(
        self,
        vocab: Vocab,
        name: str = "cardioner_ruler",
        *,
        threshold: float = 0.7,
        spans_key: str = SPANS_KEY,
        marks_key: str = MARKS_KEY,
    ) -> None:
        """Initialize the component. `make_ruler` describes the arguments."""
        super().__init__(vocab, name)
        self.threshold = threshold
        self.spans_key = spans_key
        self.marks_key = marks_key
        self.precision = Precision()

    def __call__(self, doc: Doc) -> Doc:
        """Add what is missing in one document.

        doc (Doc): The document.
        RETURNS (Doc): The same document.
        """
        if found := list(self.find(doc)):
            spans, scores = zip(*found, strict=True)
            if self.spans_key in doc.spans:
                self._add_to_group(doc, spans, scores)
            taken = {token for ent in doc.ents for token in range(ent.start, ent.end)}
            free = [span for span in spans if taken.isdisjoint(range(span.start, span.end))]
            doc.set_ents(free, default="unmodified")
        return doc

    def find(self, doc: Doc) -> Iterator[tuple[Span, float]]:
        """Find the marks that should be entities and are none, with their precision.

        doc (Doc): A document that the gazetteer and the model have seen.
        RETURNS (Iterator[tuple[Span, float]]): The missing entities, in the order of the text.
        """
        taken = {
            (span.label_, token)
            for span in (*doc.spans.get(self.spans_key, ()), *doc.ents)
            for token in range(span.start, span.end)
        }
        for mark in get_marks(doc, self.marks_key):
            if not any((mark.label, token) in taken for token in range(mark.start, mark.end)):
                score = self._precision_of(mark, doc)
                if score is not None:
                    code = mark.candidates[0] if mark.candidates else ""
                    yield Span(doc, mark.start, mark.end, mark.label, span_id=code), score

    def _precision_of(self, mark: Mark, doc: Doc) -> float | None:
        """The precision of a name where it counts as an entity, None where it does not."""
        if mark.analyte and mark.laboratory:
            return None
        group, name = _counted_as(mark, doc)
        if name in self:
            return 1.0
        precision = self.precision.of(group, name)
        return precision if precision >= self.threshold else None

    def _add_to_group(self, doc: Doc, spans: Sequence[Span], scores: Sequence[float]) -> None:
        group = doc.spans[self.spans_key]
        attrs = dict(group.attrs)
        old_scores = attrs.get("scores", [None] * len(group))
        both = [*zip(group, old_scores, strict=True), *zip(spans, scores, strict=True)]
        both.sort(key=lambda pair: (pair[0].start, pair[0].end))
        if "scores" in attrs:
            attrs["scores"] = [score for _, score in both]
        if "layers" in attrs:
            labels = (span.label_ for span in spans)
            attrs["layers"] = list(dict.fromkeys([*attrs["layers"], *labels]))
        joined = [span for span, _ in both]
        doc.spans[self.spans_key] = SpanGroup(doc, name=group.name, spans=joined, attrs=attrs)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        patterns: Sequence[dict[str, Any]] | None = None,
        corpus: str | list[str] | None = None,
    ) -> None:
        """Measure how often each name of the pipeline's gazetteer is an entity.

        Documents in which its layer is not annotated tell nothing. Where nothing can be measured,
        nothing is added but the component's own names.

        get_examples (Callable[[], Iterable[Example]]): Annotated documents, if `corpus` is None.
        nlp (Language): The pipeline.
        patterns (Optional[Sequence[dict]]): Names that count whatever was measured.
        corpus (Optional[Union[str, List[str]]]): Paths of DocBins with annotated documents, for a
            pipeline that is joined from trained parts.
        RAISES (CardionerError): The pipeline has no gazetteer; a file is no DocBin.
        """
        super().initialize(get_examples, patterns=patterns)
        if nlp is None:
            return
        gazetteer = self._gazetteer(nlp)
        self.precision = Precision()
        if corpus is None:
            docs = (example.reference for example in get_examples())
        else:
            paths = [corpus] if isinstance(corpus, str) else corpus
            docs = (doc for path in paths for doc in read_docbin(Path(path), nlp.vocab))
        for doc in docs:
            if self.spans_key in doc.spans:
                self._count(gazetteer, doc)

    def _gazetteer(self, nlp: Language) -> Gazetteer:
        """The component whose marks are used; one that was trained elsewhere may be disabled."""
        for _, pipe in nlp.components:
            if isinstance(pipe, Gazetteer) and pipe.spans_key == self.marks_key:
                return pipe
        raise CardionerError(
            f"{self.name}: needs a component gazetteer that writes to {self.marks_key!r}; add one "
            'with nlp.add_pipe("cardioner_gazetteer", first=True)'
        )

    def _count(self, gazetteer: Gazetteer, doc: Doc) -> None:
        """Count the names of an annotated document."""
        layers = layers_of(doc, self.spans_key)
        gold = {(span.start, span.end, span.label_) for span in doc.spans[self.spans_key]}
        for mark in gazetteer.find(doc):
            measured = mark.analyte and mark.laboratory
            if not measured and (layers is None or mark.label in layers):
                right = (mark.start, mark.end, mark.label) in gold
                self.precision.count(*_counted_as(mark, doc), right=right)

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Serialize the names and what was measured."""
        saved = {"patterns": self.patterns, "precision": self.precision.to_dict()}
        return bytes(srsly.msgpack_dumps(saved))

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "Ruler":
        """Load the names and what was measured from bytes."""
        saved = srsly.msgpack_loads(bytes_data)
        self.clear()
        self.add_patterns(saved["patterns"])
        self.precision = Precision.from_dict(saved["precision"])
        return self

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the names and what was measured to a folder."""
        super().to_disk(path)
        srsly.write_json(Path(path) / PRECISION_FILE, self.precision.to_dict())

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "Ruler":
        """Load the names and what was measured from a folder."""
        super().from_disk(path)
        self.precision = Precision.from_dict(srsly.read_json(Path(path) / PRECISION_FILE))
        return self


def _counted_as(mark: Mark, doc: Doc) -> tuple[str, str]:
    """The group and the name that a mark counts for."""
    name = " ".join(pieces(doc[mark.start : mark.end].text))
    return (_ANALYTE if mark.analyte else mark.kind), name
