"""The component `cardioner_gate`: marks sentences without entities, which need not be encoded."""

# No postponed annotations: spaCy checks configs against the types of registered functions.
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Corpus, Example
from thinc.api import Config, Model
from thinc.types import Floats2d
from thinc.util import to_numpy

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.layers.windows import GATED, gated_tokens
from spacy_cardioner.pipeline.labelled import LabelledPipe
from spacy_cardioner.spans import SPANS_KEY, layers_of

gate_default_config = """
[model]
@architectures = "spacy_cardioner.SentenceGateModel.v1"

[model.tok2vec]
@architectures = "spacy.HashEmbedCNN.v2"
pretrained_vectors = null
width = 32
depth = 1
embed_size = 5000
window_size = 1
maxout_pieces = 2
subword_features = true
"""
DEFAULT_GATE_MODEL = Config().from_str(gate_default_config)["model"]

# Probabilities differ in their last digits with the other documents of a batch.
TOLERANCE = 0.999

Array = NDArray[Any]


def gate_score(examples: Iterable[Example], *, spans_key: str, **cfg: Any) -> dict[str, Any]:
    """Score how many sentences with entities pass, and how many sentences are gated.

    RETURNS (Dict[str, Any]): ``gate_recall``, the share of the sentences with an entity that pass,
        and ``gate_spared``, the share of all sentences that are gated.
    """
    gated: list[bool] = []
    missed: list[bool] = []
    for eg in examples:
        entity, _ = targets_of(eg, spans_key, ())
        closed = gated_tokens(eg.predicted)
        for sentence in eg.predicted.sents:
            here = slice(sentence.start, sentence.end)
            gated.append(bool(closed[here].all()))
            if entity[here].any():
                missed.append(gated[-1])
    return {
        "gate_recall": 1 - sum(missed) / len(missed) if missed else None,
        "gate_spared": sum(gated) / len(gated) if gated else None,
    }


def make_gate_scorer() -> Callable[..., dict[str, Any]]:
    """Registered function: create the scorer of the component."""
    return gate_score


@Language.factory(
    "cardioner_gate",
    requires=["token.sent_start"],
    assigns=["doc.spans"],
    default_config={
        "model": DEFAULT_GATE_MODEL,
        "scorer": {"@scorers": "spacy_cardioner.gate_scorer.v1"},
    },
    default_score_weights={"gate_recall": None, "gate_spared": None},
)
class SentenceGate(LabelledPipe):
    """Pipeline component that marks sentences without entities.

    It comes after a sentencizer and before the encoder. The probability of a sentence is the
    highest of its tokens. Sentences below the threshold are written to ``doc.spans["gated"]``, and
    their tokens are blocked for spaCy's `ner`. The span getters of `layers.windows` leave them out,
    so that they are not encoded.
    """

    def __init__(
        self,
        nlp: Language,
        name: str,
        model: Model[list[Doc], list[Floats2d]],
        spans_key: str = SPANS_KEY,
        threshold: float | None = None,
        scorer: Callable[..., dict[str, Any]] | None = gate_score,
    ) -> None:
        """Initialize the component.

        spans_key (str): Key of the Doc.spans dict with the entities to learn from.
        threshold (Optional[float]): Sentences with a lower probability are gated. Default: the
            threshold that `tune` found, or 0 (no sentence is gated) if it was not called.
        """
        self.vocab = nlp.vocab
        self.model = model
        self.name = name
        self.spans_key = spans_key
        self.threshold = threshold
        self.scorer = scorer
        self.cfg: dict[str, Any] = {"labels": [], "tuned": 0.0}

    def predict(self, docs: Iterable[Doc]) -> list[Array]:
        """Predict the probability of each token of each document to be in an entity."""
        docs = list(docs)
        if not any(map(len, docs)):
            return [numpy.zeros(len(doc), dtype="f") for doc in docs]
        return [_sigmoid(to_numpy(scores)[:, 0]) for scores in self.model.predict(docs)]

    def set_annotations(self, docs: Iterable[Doc], probabilities: Iterable[Array]) -> None:
        """Write sentences below the threshold to ``doc.spans["gated"]``."""
        threshold = self.cfg["tuned"] if self.threshold is None else self.threshold
        for doc, found in zip(docs, probabilities, strict=True):
            gated = [sent for sent, highest in self._highest(doc, found) if highest < threshold]
            doc.spans[GATED] = SpanGroup(doc, name=GATED, spans=gated)
            has_ents = {token.i for ent in doc.ents for token in ent}
            blocked = [sent for sent in gated if has_ents.isdisjoint(range(sent.start, sent.end))]
            doc.set_ents([], blocked=blocked, default="unmodified")

    def _highest(self, doc: Doc, probabilities: Array) -> Iterator[tuple[Span, float]]:
        """Each sentence with the highest probability of its tokens."""
        if len(doc) and not doc.has_annotation("SENT_START"):
            raise CardionerError(
                f"{self.name}: there are no sentences; put a sentencizer before it in the pipeline"
            )
        for sentence in doc.sents:
            yield sentence, float(probabilities[sentence.start : sentence.end].max())

    def tune(
        self, examples: Iterable[Example], *, recall: float = 0.999, open_sentences: float = 0.0
    ) -> float:
        """Set the threshold to the highest that lets enough sentences pass.

        examples (Iterable[Example]): Validation data. The predicted documents have sentences.
        recall (float): The share of sentences with entities that must pass.
        open_sentences (float): The share of all sentences that must pass. It is a safeguard where
            few documents are available to estimate the recall.
        RAISES (CardionerError): No sentence has an entity.
        """
        every, wanted = [], []
        for eg in examples:
            entity, _ = targets_of(eg, self.spans_key, self.labels)
            [found] = self.predict([eg.predicted])
            for sentence, highest in self._highest(eg.predicted, found):
                every.append(highest)
                if entity[sentence.start : sentence.end].any():
                    wanted.append(highest)
        if not wanted:
            raise CardionerError(f"{self.name}: no sentence of the validation data has an entity")
        lowest = min(_quantile(wanted, 1 - recall), _quantile(every, 1 - open_sentences))
        self.cfg["tuned"] = lowest * TOLERANCE
        return float(self.cfg["tuned"])

    def get_loss(
        self, examples: Iterable[Example], scores: list[Floats2d]
    ) -> tuple[float, list[Floats2d]]:
        """Find the loss, the cross-entropy of each token, and its gradient."""
        loss, gradients = 0.0, []
        for eg, found in zip(examples, scores, strict=True):
            entity, known = targets_of(eg, self.spans_key, self.labels)
            predicted = _sigmoid(to_numpy(found)[:, 0])
            likelihood = numpy.where(entity, predicted, 1 - predicted)
            loss -= float((numpy.log(likelihood + 1e-9) * known).sum())
            gradient: Any = ((predicted - entity) * known).astype("f")[:, None]
            gradients.append(self.model.ops.asarray2f(gradient))
        return loss, gradients

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Sequence[str] | None = None,
    ) -> None:
        """Initialize the component for training.

        labels (Optional[Sequence[str]]): The labels. Default: those of the data.
        """
        self.model.initialize(X=self._add_labels(get_examples, labels))


def targets_of(eg: Example, spans_key: str, labels: Sequence[str]) -> tuple[Array, Array]:
    """Which tokens of the predicted document are in an entity, and for which this is known.

    If a label was not annotated, tokens outside the annotated entities are unknown.
    """
    entity = numpy.zeros(len(eg.predicted), dtype=bool)
    for span in eg.reference.spans.get(spans_key, []):
        entity[eg.alignment.y2x[span.start : span.end]] = True
    layers = layers_of(eg.reference, spans_key)
    complete = spans_key in eg.reference.spans and (layers is None or set(labels) <= layers)
    return entity, entity | complete


def _quantile(probabilities: list[float], share: float) -> float:
    """The highest of the probabilities with at most this share of them below it."""
    below = min(int(len(probabilities) * share + 1e-9), len(probabilities) - 1)
    return sorted(probabilities)[below]


def _sigmoid(scores: Array) -> Array:
    return 1 / (1 + numpy.exp(-scores.clip(-50, 50)))


def create_tune_gate(
    path: Path | None,
    recall: float = 0.999,
    pipe: str = "gate",
    open_sentences: float = 0.0,
) -> Callable[[Language], Language]:
    """Create the callback `spacy_cardioner.tune_gate.v1` for `[training.before_to_disk]`.

    Only entities count that the pipeline finds without the gate and that overlap an annotated one.
    The gate loses nothing where the pipeline finds nothing, and a single wrong annotation could
    otherwise set the threshold. All other components must be frozen: their entities are computed
    once.

    path (Path): The validation documents, a DocBin or a folder of them: ``paths.dev``.
    recall, open_sentences (float): See `SentenceGate.tune`.
    """
    examples: list[Example] = []

    def tune(nlp: Language) -> Language:
        if path is None:
            raise CardionerError("tune_gate: no validation documents; give them as paths.dev")
        gate: Any = nlp.get_pipe(pipe)
        if not examples:
            # Frozen components are disabled while a training saves.
            position = nlp.component_names.index(pipe)
            before, after = nlp.components[:position], nlp.components[position + 1 :]
            for eg in Corpus(path, max_length=0)(nlp):
                eg.predicted = _apply(before, eg.predicted)
                examples.append(_with_right(after, eg, gate.spans_key))
        gate.tune(examples, recall=recall, open_sentences=open_sentences)
        return nlp

    return tune


def _apply(components: Iterable[tuple[str, Callable[[Doc], Doc]]], doc: Doc) -> Doc:
    for _, component in components:
        doc = component(doc)
    return doc


def _with_right(components: Any, eg: Example, spans_key: str) -> Example:
    """A document as the gate sees it, with the right ones of the entities that are found."""
    annotated, _ = targets_of(eg, spans_key, ())
    found = _apply(components, eg.predicted.copy())
    spans = list(found.spans.get(spans_key, found.ents))
    found.spans[spans_key] = [span for span in spans if annotated[span.start : span.end].any()]
    # Frees the vectors of the encoder.
    found.user_data.clear()
    return Example(eg.predicted, found)
