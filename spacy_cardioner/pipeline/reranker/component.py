"""The component `cardioner_reranker`: chooses among overlapping candidates by the words at their
boundaries.
"""

# No postponed annotations: spaCy checks configs against the types of registered functions.
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy
from spacy.language import Language
from spacy.tokens import Doc

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.layers.crf import Floats
from spacy_cardioner.pipeline.ner.component import alternatives_key
from spacy_cardioner.pipeline.reranker.boundaries import BoundaryCounts, Words, words_of
from spacy_cardioner.pipeline.reranker.candidates import FEATURES, candidates_of, choose, features
from spacy_cardioner.pipeline.stored import StoredPipe
from spacy_cardioner.spans import SPANS_KEY, Entity, in_order, read_entities, replace_entities
from spacy_cardioner.visible import visible

WEIGHTS_FILE = "weights.json"
COUNTS_FILE = "borders.msgpack"


class Reranking(NamedTuple):
    """The model of a label.

    counts (BoundaryCounts): What annotated documents say about the words at boundaries.
    weights (Mapping[str, float]): The weight of each of `FEATURES`, and of "bias".
    """

    counts: BoundaryCounts
    weights: Mapping[str, float]

    def rescore(self, words: Words, candidates: Sequence[Entity]) -> list[Entity]:
        """The candidates with new probabilities as scores."""
        weights = numpy.array([self.weights[name] for name in FEATURES], dtype="f")
        odds = features(self.counts, words, candidates) @ weights + self.weights["bias"]
        scores: Floats = 1 / (1 + numpy.exp(-odds))
        return [
            one._replace(score=score)
            for one, score in zip(candidates, scores.tolist(), strict=True)
        ]


@Language.factory("cardioner_reranker", assigns=["doc.spans", "doc.ents"], requires=["doc.spans"])
class SpanReranker(StoredPipe):
    """Pipeline component that chooses entities among overlapping candidates.

    It comes after a `cardioner_ner` with `alternatives`. It estimates anew how probable each of
    these is, from the probabilities of all of them, and from how often entities began and ended
    between these words in the documents that it was made from (`cardioner rerank`). The most
    probable become the entities of the label. Labels that it was not made for do not change.
    """

    files = (WEIGHTS_FILE, COUNTS_FILE)

    def __init__(
        self,
        nlp: Language,
        name: str = "reranker",
        threshold: float = 0.4,
        spans_key: str = SPANS_KEY,
    ) -> None:
        """Initialize the component.

        threshold (float): Drop entities with a lower probability. If probabilities are calibrated,
            half of the F1 that is reached is the best threshold for it (Lipton et al. 2014,
            https://arxiv.org/abs/1402.1892).
        """
        self.vocab = nlp.vocab
        self.name = name
        self.threshold = threshold
        self.spans_key = spans_key
        self.rerankings: dict[str, Reranking] = {}

    @property
    def labels(self) -> tuple[str, ...]:
        """RETURNS (Tuple[str]): The labels whose entities are reranked."""
        return tuple(self.rerankings)

    def __call__(self, doc: Doc) -> Doc:
        """Rerank the entities of a document, and remove the group of alternatives.

        RAISES (CardionerError): The document has no alternatives.
        """
        key = alternatives_key(self.spans_key)
        if key not in doc.spans:
            raise CardionerError(
                f"{self.name}: there is no doc.spans[{key!r}]; a cardioner_ner before it needs "
                "the setting alternatives, e.g. 0.03, and the same spans_key"
            )
        alternatives = doc.spans.pop(key)
        before = read_entities(doc, self.spans_key)
        after = [entity for entity in before if entity.label not in self.rerankings]
        view = visible(doc)
        words = words_of(view.doc)
        for label, reranking in self.rerankings.items():
            candidates = list(map(view.forth, candidates_of(alternatives, label)))
            chosen = choose(reranking.rescore(words, candidates), self.threshold)
            after += [view.back(entity)._replace(source=self.name) for entity in chosen]
        after.sort(key=in_order)
        if after != before:
            replace_entities(doc, before, after, self.spans_key)
        return doc

    def get_data(self) -> Mapping[str, Any]:
        """RETURNS (Mapping[str, Any]): The weights and counts of all labels."""
        models = self.rerankings.items()
        return {
            WEIGHTS_FILE: {label: dict(model.weights) for label, model in models},
            COUNTS_FILE: {label: model.counts.to_dict() for label, model in models},
        }

    def set_data(self, data: Mapping[str, Any]) -> None:
        """Replace the weights and counts."""
        self.rerankings = {
            label: Reranking(BoundaryCounts.from_dict(data[COUNTS_FILE][label]), weights)
            for label, weights in data[WEIGHTS_FILE].items()
        }
