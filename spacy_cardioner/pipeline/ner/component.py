"""The component `cardioner_ner`: entities of several labels, which may be nested."""

# No postponed annotations: spaCy checks configs against the types of registered functions.
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Literal

import numpy
from spacy.language import Language
from spacy.scorer import Scorer, get_ner_prf
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example
from thinc.api import Config, Model

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.layers.crf import BEGIN, FORBIDDEN, INSIDE, N_TAGS, OUTSIDE, Floats, Ints
from spacy_cardioner.layers.losses import crf_loss, softmax_loss
from spacy_cardioner.layers.windows import gated_tokens
from spacy_cardioner.pipeline.labelled import LabelledPipe
from spacy_cardioner.pipeline.ner.decode import Decoded, decode
from spacy_cardioner.spans import (
    SPANS_KEY,
    Entity,
    layers_of,
    non_overlapping,
    register_extensions,
    write_entities,
)
from spacy_cardioner.visible import visible

ner_default_config = """
[model]
@architectures = "spacy_cardioner.MultiHeadTagger.v1"
decoder = "crf"
hidden_width = 0

[model.tok2vec]
@architectures = "spacy.HashEmbedCNN.v2"
pretrained_vectors = null
width = 96
depth = 4
embed_size = 2000
window_size = 1
maxout_pieces = 3
subword_features = true
"""
DEFAULT_NER_MODEL = Config().from_str(ner_default_config)["model"]

ClassWeights = Literal["inverse"] | dict[Literal["B", "I", "O"], float] | None


def ner_score(examples: Iterable[Example], *, spans_key: str, **cfg: Any) -> dict[str, Any]:
    """Score all entities strictly, and those in ``doc.ents`` as spaCy's `ner` does.

    Predictions of a label are ignored in documents where it was not annotated.

    RETURNS (Dict[str, Any]): ``spans_{spans_key}_p``, ``_r``, ``_f``, ``_per_type``; also of ents.
    """
    examples = list(examples)
    layers = {id(eg.predicted): layers_of(eg.reference, spans_key) for eg in examples}

    def get_spans(doc: Doc, attr: str) -> list[Span]:
        known = layers.get(id(doc))
        spans = doc.spans.get(spans_key, [])
        return [span for span in spans if known is None or span.label_ in known]

    scores = Scorer.score_spans(
        examples,
        f"spans_{spans_key}",
        getter=get_spans,
        has_annotation=lambda doc: spans_key in doc.spans,
        allow_overlap=True,
    )
    return {**scores, **get_ner_prf(examples)}


def make_ner_scorer() -> Callable[..., dict[str, Any]]:
    """Registered function: create the scorer of the component."""
    return ner_score


def alternatives_key(spans_key: str) -> str:
    """Key of the span group with the alternatives."""
    return f"{spans_key}_alternatives"


@Language.factory(
    "cardioner_ner",
    assigns=["doc.spans", "doc.ents", "token.ent_iob", "token.ent_type"],
    default_config={
        "model": DEFAULT_NER_MODEL,
        "scorer": {"@scorers": "spacy_cardioner.ner_scorer.v1"},
    },
    default_score_weights={
        f"spans_{SPANS_KEY}_f": 1.0,
        f"spans_{SPANS_KEY}_p": 0.0,
        f"spans_{SPANS_KEY}_r": 0.0,
        f"spans_{SPANS_KEY}_per_type": None,
    },
)
class MultiHeadNER(LabelledPipe):
    """Pipeline component that finds the entities of each label with a BIO tagging head of its own.

    Entities of one label do not overlap; entities of different labels may. All are written to
    ``doc.spans[spans_key]``, and the longest of those that overlap to ``doc.ents``.
    ``span._.score`` is the probability of each.
    """

    def __init__(
        self,
        nlp: Language,
        name: str,
        model: Model[list[Doc], Floats],
        spans_key: str = SPANS_KEY,
        labels: Sequence[str] | None = None,
        threshold: float = 0.0,
        alternatives: float | None = None,
        class_weights: ClassWeights = None,
        scorer: Callable[..., dict[str, Any]] | None = ner_score,
    ) -> None:
        """Initialize the component.

        spans_key (str): Key of the Doc.spans dict to save the spans under, and with the gold
            entities in training.
        labels (Optional[Sequence[str]]): Labels to find, of those that the model has a head for.
            None finds all. Other heads are trained, but not decoded. The attribute `active` can be
            set to other labels at any time.
        threshold (float): Drop entities with a lower probability.
        alternatives (Optional[float]): Write every span with at least this probability to
            ``doc.spans[f"{spans_key}_alternatives"]``, whether it is an entity or not. They may
            overlap. `cardioner_reranker` needs them.
        class_weights (Optional[Union[str, Dict[str, float]]]): Weights of the tags B, I and O in
            the loss: None for equal weights, "inverse" for their inverse frequency in the data, or
            a dict by tag. See `layers.losses` for their effect.
        RAISES (CardionerError): A setting is out of range.
        """
        if isinstance(class_weights, dict) and min(class_weights.values(), default=1.0) <= 0:
            raise CardionerError(f"{name}: class_weights must be greater than 0")
        if alternatives is not None and not 0 < alternatives <= 1:
            raise CardionerError(f"{name}: alternatives must be greater than 0, and 1 at most")
        self.vocab = nlp.vocab
        self.model = model
        self.name = name
        self.spans_key = spans_key
        self.active = labels
        self.threshold = threshold
        self.alternatives = alternatives
        self.class_weights = class_weights
        self.scorer = scorer
        self.cfg: dict[str, Any] = {"labels": [], "tag_counts": {}}
        register_extensions()

    @property
    def active(self) -> tuple[str, ...]:
        """RETURNS (Tuple[str]): The labels to find, in the order of their heads.

        RAISES (CardionerError): The model has no head for one of them.
        """
        if self._active is None:
            return self.labels
        if unknown := sorted({*self._active} - {*self.labels}):
            raise CardionerError(
                f"{self.name}: no label {', '.join(unknown)}. Its labels are: "
                f"{', '.join(self.labels)}"
            )
        return tuple(label for label in self.labels if label in self._active)

    @active.setter
    def active(self, labels: Sequence[str] | None) -> None:
        if isinstance(labels, str):
            raise CardionerError(f"{self.name}: labels must be a list, such as ['{labels}']")
        self._active = None if labels is None else [*labels]

    def add_label(self, label: str) -> int:
        """Add a label. Only possible before the model is initialized."""
        if label not in self.labels:
            self._allow_extra_label()
        return super().add_label(label)

    def predict(self, docs: Iterable[Doc]) -> list[Decoded]:
        """Find the entities of each document, without modifying it.

        None goes across a page break, begins or ends with something invisible, or depends on it.
        """
        views = [visible(doc) for doc in docs]
        lengths = [len(view.doc) for view in views]
        active = self.active
        if not any(lengths) or not active:
            return [Decoded([], []) for _ in views]
        scores = self.model.predict([view.doc for view in views])
        if active != self.labels:
            scores = scores.take([self.labels.index(label) for label in active], axis=2)
        offsets = accumulate(lengths, initial=0)
        breaks = [
            offset + place
            for offset, view in zip(offsets, views, strict=False)
            for place in view.breaks
        ]
        for tag in (BEGIN, INSIDE):
            scores[:, tag, :, breaks] = FORBIDDEN
        decoded = decode(scores, lengths, active, alternatives=self.alternatives)
        return [
            one if view.is_whole else one.moved(view.back)
            for one, view in zip(decoded, views, strict=True)
        ]

    def set_annotations(self, docs: Iterable[Doc], decoded: Iterable[Decoded]) -> None:
        """Write entities to ``doc.spans`` and ``doc.ents``, except those in gated sentences."""
        for doc, (entities, alternatives) in zip(docs, decoded, strict=True):
            kept = [e for e in self._allowed(doc, entities) if (e.score or 0) >= self.threshold]
            spans = write_entities(doc, kept, self.spans_key, layers=self.active)
            if self.alternatives is not None:
                # Not entities: their scores are kept in the group only.
                key, others = alternatives_key(self.spans_key), [*self._allowed(doc, alternatives)]
                attrs = {"scores": [one.score for one in others], "layers": [*self.active]}
                group = [Span(doc, *one[:3]) for one in others]
                doc.spans[key] = SpanGroup(doc, name=key, spans=group, attrs=attrs)
            taken = {token.i for ent in doc.ents for token in ent}
            doc.set_ents([*doc.ents, *non_overlapping(spans, taken=taken)])

    def _allowed(self, doc: Doc, entities: Iterable[Entity]) -> Iterator[Entity]:
        """The entities outside gated sentences, without white space around them (spaCy's E1010)."""
        gated = gated_tokens(doc)
        for entity in entities:
            words = [i for i in range(entity.start, entity.end) if not doc[i].is_space]
            if words and not gated[entity.start : entity.end].any():
                yield entity._replace(start=words[0], end=words[-1] + 1, source=self.name)

    def get_loss(self, examples: Iterable[Example], scores: Floats) -> tuple[float, Floats]:
        """Find the loss and its gradient for a batch of examples and the model's output."""
        tags, known = self._get_targets(examples)
        asarray = self.model.ops.xp.asarray
        loss = crf_loss if self.model.attrs["decoder"] == "crf" else softmax_loss
        return loss(scores, asarray(tags), asarray(known), asarray(self._get_weights()))

    def _get_targets(self, examples: Iterable[Example]) -> tuple[Ints, Floats]:
        """The gold tags of the predicted documents, and where they are known, by head and token."""
        examples = list(examples)
        shape = len(self.labels), sum(len(eg.predicted) for eg in examples)
        tags = numpy.full(shape, OUTSIDE, dtype="i")
        known = numpy.zeros(shape, dtype="f")
        offset = 0
        for eg in examples:
            here = slice(offset, offset + len(eg.predicted))
            for label, spans in self._get_gold_spans(eg).items():
                head = self.labels.index(label)
                known[head, here] = 1.0
                for span in spans:
                    tags[head, offset + span.start] = BEGIN
                    tags[head, offset + span.start + 1 : offset + span.end] = INSIDE
            offset = here.stop
        return tags, known

    def _get_gold_spans(self, eg: Example) -> dict[str, list[Span]]:
        """The aligned gold spans of each annotated label, the longest of those that overlap."""
        if self.spans_key not in eg.reference.spans:
            return {}
        layers = layers_of(eg.reference, self.spans_key)
        spans = list(eg.reference.spans[self.spans_key])
        ours, theirs = (doc.to_array(["ORTH", "SPACY"]) for doc in (eg.predicted, eg.reference))
        if not numpy.array_equal(ours, theirs):
            spans = eg.get_aligned_spans_y2x(spans, allow_overlap=True)
        return {
            label: non_overlapping(span for span in spans if span.label_ == label)
            for label in self.labels
            if layers is None or label in layers
        }

    def _get_weights(self) -> Floats:
        """The weight of each tag in each head's loss."""
        if self.class_weights == "inverse":
            counts = numpy.array([self.cfg["tag_counts"][label] for label in self.labels], "f")
            return counts.sum(axis=1, keepdims=True) / (N_TAGS * numpy.maximum(counts, 1.0))
        given: dict[Any, float] = {**(self.class_weights or {})}
        row = [given.get(tag, 1.0) for tag in "BIO"]
        return numpy.array([row] * len(self.labels), "f")

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Sequence[str] | None = None,
    ) -> None:
        """Initialize the component for training.

        labels (Optional[Sequence[str]]): The labels. Default: those of the data, sorted.
        """
        sample = self._add_labels(get_examples, labels)
        self._require_labels()
        counts = numpy.zeros((len(self.labels), N_TAGS), dtype="i")
        for eg in get_examples():
            tags, known = self._get_targets([eg])
            counts += ((tags[..., None] == range(N_TAGS)) & (known[..., None] > 0)).sum(axis=1)
        self.cfg["tag_counts"] = dict(zip(self.labels, counts.tolist(), strict=True))
        self.model.set_dim("nO", len(self.labels))  # otherwise `chain` infers it from the last axis
        label_sample: Any = self.model.ops.alloc2f(1, len(self.labels))
        self.model.initialize(X=sample, Y=label_sample)
