"""The audit of a conversion: what happened to every document and entity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median_high
from typing import Any

from spacy.tokens import Doc, Span
from wasabi.tables import table

from spacy_cardioner.brat import NOT_LEARNED, Change, Note
from spacy_cardioner.spans import SPANS_KEY, Entity

LOST = ("left out", "empty", "lost")
# What lines of an .ann file hold that a conversion does not use.
UNUSED = {
    "R": "relations",
    "E": "events",
    "A": "attributes",
    "M": "attributes",
    "N": "normalisations",
    "*": "equivalences",
    "#": "notes",
}
HEADER = ("label", "in files", "kept", "in doc.ents", "documents annotated")


# A file and a line in it, 0 if unknown.
Place = tuple[str, int]


@dataclass
class Audit:
    """Counts of the input and the output, and a list of all changes.

    lines (Counter[str]): Lines of the .ann files by kind: "T", "R", "E", "A", "M", "N", "*", "#".
    labels (Counter[str]): T lines by the label in the file, also of those that are not wanted.
    read, kept, flat (Counter[str]): Entities by label: in the files, in the documents, and in
        ``doc.ents``.
    layers (Counter[str]): Documents in which a label was annotated.
    tokens, entity_tokens (list[int]): Tokens of each document and of each entity.
    """

    changes: list[Change] = field(default_factory=list)
    lines: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
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

    @property
    def not_used(self) -> Counter[str]:
        """What the conversion does not use of the .ann files."""
        unused = Counter({"entities of other labels": self.labels.total() - self.read.total()})
        for kind, count in self.lines.items():
            unused[UNUSED.get(kind, "")] += count
        del unused[""]
        return +unused

    def add(
        self, kind: str, place: Place, entity: Entity, other: tuple[int, int] | None = None
    ) -> None:
        """Note a change of an entity. For `other`, see `Change`."""
        start, end, label, text = entity[:4]
        self.changes.append(Change(kind, *place, label, start, end, text, other))

    def count_note(self, note: Note, labels: Iterable[str]) -> None:
        """Count the lines of an annotated note.

        labels (Iterable[str]): The labels of its T lines in the file.
        """
        self.labels.update(labels)
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
            "not_used": dict(sorted(self.not_used.items())),
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
        for title in ("changes", "overlaps", "not_used"):
            counts = ", ".join(f"{kind} {count}" for kind, count in data[title].items())
            parts.append(f"{title.replace('_', ' ')}: {counts or 'none'}")
        if NOT_LEARNED in data["changes"]:
            parts.append(
                "not learned: `cardioner_ner` has one tag for each token and label, so that it "
                "learns the longest of overlapping entities of one label"
            )
        harmless = ("merged", "duplicate", "separate")
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
