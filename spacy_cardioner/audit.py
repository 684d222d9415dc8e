"""The alignment audit: what became of every document and entity on the way to spaCy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from spacy.tokens import Doc, Span
from wasabi.printer import Printer

from spacy_cardioner.brat import Change, Note

# Changes after which an entity of the input has no counterpart of its own in the output.
GONE = ("duplicate", "left out", "empty", "lost")


@dataclass
class Audit:
    """Counts of what went in and came out, and every change by name.

    changes (list[Change]): Merged, trimmed, moved, lost ... entities, in the order found.
    lines (Counter[str]): Lines of the .ann files by kind: "T", "R", "E", "A", "M", "N", "*", "#".
    read (Counter[str]): Entities in the files, by label.
    """

    changes: list[Change] = field(default_factory=list)
    lines: Counter[str] = field(default_factory=Counter)
    read: Counter[str] = field(default_factory=Counter)
    notes: int = 0
    layers: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    flat: Counter[str] = field(default_factory=Counter)
    overlaps: Counter[str] = field(default_factory=Counter)
    tokens: list[int] = field(default_factory=list)
    entity_tokens: Counter[int] = field(default_factory=Counter)

    @property
    def lost(self) -> list[Change]:
        """The entities that the output lacks though they were not mere repetitions."""
        return [change for change in self.changes if change.kind in ("left out", "empty", "lost")]

    def count_note(self, note: Note) -> None:
        """Count one annotated file as it was read."""
        self.lines.update(line.raw[:1] for line in note.lines if line.raw)
        self.read.update(textbound.label for textbound in note.textbounds)

    def count_docs(self, docs: Sequence[Doc], key: str) -> None:
        """Count what the documents hold, and make sure that nothing went missing unnamed.

        RAISES (AssertionError): Entities are unaccounted for, which is an error of this program.
        """
        self.notes += len(docs)
        for doc in docs:
            group = doc.spans[key]
            self.layers.update(group.attrs["layers"])
            self.kept.update(span.label_ for span in group)
            self.flat.update(span.label_ for span in doc.ents)
            self.overlaps.update(_overlaps(group))
            self.tokens.append(len(doc))
            self.entity_tokens.update(len(span) for span in group)
        gone = sum(change.kind in GONE for change in self.changes)
        read, kept = sum(self.read.values()), sum(self.kept.values())
        if read != kept + gone:
            raise AssertionError(f"{read} entities read, but {kept} kept and {gone} named as gone")

    def to_dict(self, show_text: bool = False) -> dict[str, Any]:
        """The audit as JSON-serialisable data; mention texts only if asked for."""
        kinds = Counter(change.kind for change in self.changes)
        return {
            "documents": self.notes,
            "documents_per_layer": dict(sorted(self.layers.items())),
            "entities": {
                label: {
                    "read": self.read[label],
                    "kept": self.kept[label],
                    "flat": self.flat[label],
                }
                for label in sorted({*self.read, *self.kept})
            },
            "changes": dict(sorted(kinds.items())),
            "overlaps": dict(sorted(self.overlaps.items())),
            "annotation_lines": dict(sorted(self.lines.items())),
            "tokens_per_document": _summary(self.tokens),
            "tokens_per_entity": _summary(list(self.entity_tokens.elements())),
            "change_list": [change.to_dict(show_text) for change in self.changes],
        }

    def table(self, show_text: bool = False) -> str:
        """The audit for a person's eyes: one table of labels, then every moved or lost entity."""
        data = self.to_dict(show_text)
        printer = Printer(no_print=True)
        rows = [
            (label, count["read"], count["kept"], count["flat"], self.layers[label])
            for label, count in data["entities"].items()
        ]
        parts = [
            f"{data['documents']} documents, {sum(self.tokens)} tokens "
            f"({_in_words(data['tokens_per_document'])} a document)",
            printer.table(
                rows,
                header=("label", "in files", "kept", "in doc.ents", "documents annotated"),
                divider=True,
                aligns=("l", "r", "r", "r", "r"),
            ),
        ]
        for title in ("changes", "overlaps"):
            counts = ", ".join(f"{kind} {count}" for kind, count in data[title].items())
            parts.append(f"{title}: {counts or 'none'}")
        unnamed = ("merged", "trimmed", "duplicate")
        named = [change for change in self.changes if change.kind not in unnamed]
        parts.extend(change.describe(show_text) for change in named)
        return "\n".join(part.strip("\n") for part in parts)


def _overlaps(spans: Iterable[Span]) -> Counter[str]:
    """Pairs of overlapping entities, within one label and across labels."""
    pairs: Counter[str] = Counter()
    ordered = sorted(spans, key=lambda span: (span.start, -span.end))
    open_spans: list[Span] = []
    for span in ordered:
        open_spans = [other for other in open_spans if other.end > span.start]
        pairs.update(
            "within " + span.label_
            if other.label_ == span.label_
            else " in ".join((span.label_, other.label_))
            if other.end >= span.end
            else " across ".join(sorted((span.label_, other.label_)))
            for other in open_spans
        )
        open_spans.append(span)
    return pairs


def _summary(values: list[int]) -> dict[str, int]:
    ordered = sorted(values) or [0]
    return {"min": ordered[0], "median": ordered[len(ordered) // 2], "max": ordered[-1]}


def _in_words(summary: dict[str, int]) -> str:
    return f"{summary['min']} to {summary['max']}, median {summary['median']}"
