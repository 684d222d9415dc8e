"""The audit of a conversion: what happened to every document and entity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median_high
from typing import Any

from spacy.tokens import Doc, Span
from wasabi.tables import table

from spacy_cardioner.brat import Change, Note
from spacy_cardioner.spans import SPANS_KEY, Entity

LOST = ("left out", "empty", "lost")
HEADER = ("label", "in files", "kept", "in doc.ents", "documents annotated")


@dataclass
class Audit:
    """Counts of the input and the output, and a list of all changes.

    lines (Counter[str]): Lines of the .ann files by kind: "T", "R", "E", "A", "M", "N", "*", "#".
    read, kept, flat (Counter[str]): Entities by label: in the files, in the documents, and in
        ``doc.ents``.
    layers (Counter[str]): Documents in which a label was annotated.
    tokens, entity_tokens (list[int]): Tokens of each document and of each entity.
    """

    changes: list[Change] = field(default_factory=list)
    lines: Counter[str] = field(default_factory=Counter)
    read: Counter[str] = field(default_factory=Counter)
    layers: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    flat: Counter[str] = field(default_factory=Counter)
    overlaps: Counter[str] = field(default_factory=Counter)
    tokens: list[int] = field(default_factory=list)
    entity_tokens: list[int] = field(default_factory=list)

    @property
    def lost(self) -> list[Change]:
        """The entities that are not in the output, apart from duplicates."""
        return [change for change in self.changes if change.kind in LOST]

    def add(self, kind: str, name: str, entity: Entity) -> None:
        """Note a change of an entity."""
        change = Change(kind, name, 0, entity.label, entity.start, entity.end, entity.text)
        self.changes.append(change)

    def count_note(self, note: Note) -> None:
        """Count the lines of an annotated note."""
        self.lines.update(line.raw[:1] for line in note.lines if line.raw)
        self.read.update(textbound.label for textbound in note.textbounds)

    def count_docs(self, docs: Iterable[Doc]) -> None:
        """Count the contents of the documents, and check that no entity disappeared silently.

        RAISES (AssertionError): Some entities are unaccounted for, which is a bug.
        """
        for doc in docs:
            group = doc.spans[SPANS_KEY]
            self.layers.update(group.attrs["layers"])
            self.kept.update(span.label_ for span in group)
            self.flat.update(span.label_ for span in doc.ents)
            self.overlaps.update(_overlaps(group))
            self.tokens.append(len(doc))
            self.entity_tokens.extend(len(span) for span in group)
        gone = sum(change.kind in (*LOST, "duplicate") for change in self.changes)
        if self.read.total() != self.kept.total() + gone:
            total, kept = self.read.total(), self.kept.total()
            raise AssertionError(f"{total} entities read, but {kept} kept and {gone} named as gone")

    def to_dict(self, show_text: bool = False) -> dict[str, Any]:
        """The audit as JSON-serialisable data, with the text of mentions only on request."""
        return {
            "documents": len(self.tokens),
            "documents_per_layer": dict(sorted(self.layers.items())),
            "entities": {
                name: {"read": self.read[name], "kept": self.kept[name], "flat": self.flat[name]}
                for name in sorted({*self.read, *self.kept})
            },
            "changes": dict(sorted(Counter(change.kind for change in self.changes).items())),
            "overlaps": dict(sorted(self.overlaps.items())),
            "annotation_lines": dict(sorted(self.lines.items())),
            "tokens_per_document": _summary(self.tokens),
            "tokens_per_entity": _summary(self.entity_tokens),
            "change_list": [change.to_dict(show_text) for change in self.changes],
        }

    def table(self, show_text: bool = False) -> str:
        """The audit as text: a table of the labels, then each entity that was moved or lost."""
        data = self.to_dict()
        tokens = data["tokens_per_document"]
        rows = [
            (label, count["read"], count["kept"], count["flat"], self.layers[label])
            for label, count in data["entities"].items()
        ]
        parts = [
            f"{len(self.tokens)} documents, {sum(self.tokens)} tokens ({tokens['min']} to "
            f"{tokens['max']} per document, median {tokens['median']})",
            table(rows, header=HEADER, divider=True, aligns=("l", "r", "r", "r", "r")),
        ]
        for title in ("changes", "overlaps"):
            counts = ", ".join(f"{kind} {count}" for kind, count in data[title].items())
            parts.append(f"{title}: {counts or 'none'}")
        harmless = ("merged", "trimmed", "duplicate")
        parts.extend(c.describe(show_text) for c in self.changes if c.kind not in harmless)
        return "\n".join(part.strip("\n") for part in parts)


def _overlaps(spans: Iterable[Span]) -> Counter[str]:
    """Count the pairs of overlapping entities, within a label and between labels."""
    pairs: Counter[str] = Counter()
    open_spans: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        open_spans = [other for other in open_spans if other.end > span.start]
        for other in open_spans:
            if other.label_ == span.label_:
                pairs[f"within {span.label_}"] += 1
            elif other.end >= span.end:
                pairs[f"{span.label_} in {other.label_}"] += 1
            else:
                pairs[" across ".join(sorted((span.label_, other.label_)))] += 1
        open_spans.append(span)
    return pairs


def _summary(values: list[int]) -> dict[str, int]:
    values = values or [0]
    return {"min": min(values), "median": median_high(values), "max": max(values)}
