"""What the trainable components have in common: labels, found in annotated documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example


class LabelledPipe(TrainablePipe):
    """Base class of trainable components that learn from the entities in a span group.

    `cfg` holds only what comes from the data: what is saved there overrides the config when a
    pipeline is loaded.
    """

    spans_key: str
    cfg: dict[str, Any]

    @property
    def labels(self) -> tuple[str, ...]:
        """RETURNS (Tuple[str]): The labels."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> list[str]:
        """RETURNS (List[str]): The labels, as `initialize` takes them."""
        return list(self.labels)

    def add_label(self, label: str) -> int:
        """Add a label. RETURNS (int): 0 if it is already present, otherwise 1."""
        if label in self.labels:
            return 0
        self.cfg["labels"].append(label)
        self.vocab.strings.add(label)
        return 1

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """Score a batch of examples with the component's scorer."""
        return super().score(examples, **{"spans_key": self.spans_key, **kwargs})

    def _add_labels(
        self, get_examples: Callable[[], Iterable[Example]], labels: Sequence[str] | None
    ) -> list[Doc] | None:
        """Add labels, by default those of the data, and return a sample of documents."""
        if labels is None:
            found = (eg.reference.spans.get(self.spans_key, []) for eg in get_examples())
            labels = sorted({span.label_ for spans in found for span in spans})
        for label in labels:
            self.add_label(label)
        sample = [eg.predicted for eg in islice(get_examples(), 10)]
        return sample if any(map(len, sample)) else None
