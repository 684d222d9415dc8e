"""The component `cardioner_reranker`: weighs what an entity may be by the words at its borders."""

# No `from __future__ import annotations`: configs are checked against the types of the registered
# functions, which must not be strings.
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import srsly
from spacy.language import Language
from spacy.pipeline import Pipe
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.layers.crf import Floats
from spacy_cardioner.pipeline.ner.component import alternatives_key
from spacy_cardioner.pipeline.reranker.borders import BorderCounts, Words, words_of
from spacy_cardioner.pipeline.reranker.candidates import (
    FEATURES,
    Candidate,
    candidates_of,
    choose,
    features,
)
from spacy_cardioner.spans import SPANS_KEY, Found, read_found, write_found

WEIGHTS_FILE = "weights.json"
COUNTS_FILE = "borders.msgpack"


class Reranking(NamedTuple):
    """What is needed to rerank the candidates of a label.

    counts (BorderCounts): What annotated documents say of the words at borders.
    weights (Mapping[str, float]): The weight of each of `FEATURES`, and of "bias".
    """

    counts: BorderCounts
    weights: Mapping[str, float]

    def probabilities(self, words: Words, candidates: Sequence[Candidate]) -> Floats:
        """How probable each candidate is, all things considered."""
        weights = numpy.array([self.weights[name] for name in FEATURES], dtype="f")
        scores = features(self.counts, words, candidates) @ weights + self.weights["bias"]
        return 1 / (1 + numpy.exp(-scores))


@Language.factory(
    "cardioner_reranker",
    assigns=["doc.spans", "doc.ents"],
    requires=["doc.spans"],
    default_config={"threshold": 0.4, "spans_key": SPANS_KEY},
)
def make_reranker(nlp: Language, name: str, threshold: float, spans_key: str) -> "SpanReranker":
    """Create a SpanReranker component. It stands after a `cardioner_ner` with `alternatives`.

    Of spans that overlap and are all probable, it says anew how probable each is, from the model's
    probabilities of all of them and from how often entities began and ended between these words in
    the documents that it was made from (`cardioner rerank`). The most probable become the entities
    of the label; labels that it was not made for keep theirs.

    name (str): The component instance name.
    threshold (float): Leave out entities that are less probable than this. Where probabilities are
        true, half of the F1 that is reached is the best threshold for it (Lipton et al. 2014,
        https://arxiv.org/abs/1402.1892).
    spans_key (str): Key of the Doc.spans dict where the entities are.
    """
    return SpanReranker(nlp.vocab, name, threshold=threshold, spans_key=spans_key)


class SpanReranker(Pipe):
    """Pipeline component that chooses entities among overlapping candidates."""

    def __init__(
        self,
        vocab: Vocab,
        name: str = "cardioner_reranker",
        *,
        threshold: float = 0.4,
        spans_key: str = SPANS_KEY,
    ) -> None:
        """Initialize the component. `make_reranker` describes the arguments."""
        self.vocab = vocab
        self.name = name
        self.threshold = threshold
        self.spans_key = spans_key
        self.rerankings: dict[str, Reranking] = {}

    @property
    def labels(self) -> tuple[str, ...]:
        """RETURNS (Tuple[str]): The labels whose entities are reranked."""
        return tuple(self.rerankings)

    def __call__(self, doc: Doc) -> Doc:
        """Rerank the entities of one document.

        doc (Doc): The document; the group of alternatives is taken out of it.
        RETURNS (Doc): The same document.
        RAISES (CardionerError): The document has no alternatives.
        """
        key = alternatives_key(self.spans_key)
        if key not in doc.spans:
            raise CardionerError(
                f"{self.name}: there is no doc.spans[{key!r}]; a cardioner_ner before it needs "
                "the setting alternatives, e.g. 0.03, and the same spans_key"
            )
        alternatives = doc.spans.pop(key)
        before = read_found(doc, self.spans_key)
        after = [one for one in before if one.label not in self.rerankings]
        words = words_of(doc)
        for label, reranking in self.rerankings.items():
            candidates = candidates_of(alternatives, label)
            scores = reranking.probabilities(words, candidates)
            for candidate, score in choose(candidates, scores, self.threshold):
                after.append(Found(candidate.start, candidate.end, label, score))
        after.sort()
        if after != before:
            write_found(doc, self.spans_key, before, after)
        return doc

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Serialize the counts and weights."""
        return bytes(srsly.msgpack_dumps([self._weights(), self._counts()]))

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "SpanReranker":
        """Load counts and weights from bytes."""
        return self._load(*srsly.msgpack_loads(bytes_data))

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save counts and weights to a folder."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        srsly.write_json(folder / WEIGHTS_FILE, self._weights())
        srsly.write_msgpack(folder / COUNTS_FILE, self._counts())

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "SpanReranker":
        """Load counts and weights from a folder."""
        folder = Path(path)
        return self._load(
            srsly.read_json(folder / WEIGHTS_FILE), srsly.read_msgpack(folder / COUNTS_FILE)
        )

    def _weights(self) -> dict[str, Mapping[str, float]]:
        return {label: reranking.weights for label, reranking in self.rerankings.items()}

    def _counts(self) -> dict[str, dict[str, Any]]:
        return {label: reranking.counts.to_dict() for label, reranking in self.rerankings.items()}

    def _load(
        self, weights: Mapping[str, Mapping[str, float]], counts: Mapping[str, dict[str, Any]]
    ) -> "SpanReranker":
        self.rerankings = {
            label: Reranking(BorderCounts.from_dict(counts[label]), of_label)
            for label, of_label in weights.items()
        }
        return self
