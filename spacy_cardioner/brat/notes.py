"""Notes with the lines of their annotations, their entities, and what reading changed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from spacy_cardioner.brat.offsets import Span, bare
from spacy_cardioner.errors import CardionerError, plain
from spacy_cardioner.spans import Entity

NOT_LEARNED = "not learned"
Discontinuous = Literal["first", "longest", "cover", "skip"]

TRIMMED = re.compile(r"\S(?:.*\S)?", re.DOTALL)


@dataclass(frozen=True)
class TextBound:
    """A T line of an .ann file.

    fragments (tuple[tuple[int, int], ...]): Start and end of each fragment, in the file's order.
    text (str): The mention as the line spells it, with spaces for line ends and between fragments.
    """

    id: str
    label: str
    fragments: tuple[Span, ...]
    text: str

    @property
    def start(self) -> int:
        """Start of the first fragment."""
        return min(self.fragments)[0]

    @property
    def end(self) -> int:
        """End of the last fragment."""
        return max(self.fragments)[1]


@dataclass(frozen=True)
class Line:
    """A line of an .ann file; ``raw + eol`` are its exact characters."""

    number: int
    raw: str
    eol: str
    textbound: TextBound | None = None


@dataclass
class Note:
    """A text with its annotations.

    text (str): The characters of the file without the byte order mark. Line ends are not changed.
    annotated (bool): False if there is no ``.ann`` file. An empty one is an annotation.
    file (str): The path of the ``.ann``, for reports.
    bom, ann_bom (bool): Whether the ``.txt`` and the ``.ann`` start with a byte order mark.
    """

    name: str
    text: str
    lines: list[Line]
    annotated: bool = True
    bom: bool = False
    ann_bom: bool = False
    file: str = ""

    @property
    def textbounds(self) -> list[TextBound]:
        """The T lines in the order of the file."""
        return [line.textbound for line in self.lines if line.textbound is not None]


class Change(NamedTuple):
    """What reading did to a line or an entity, for reports.

    kind (str): "merged" (fragments joined over white space), "discontinuous", "trimmed" (white
        space at an edge of the offsets or of the spelled mention), "respaced" (the mention is
        spelled with spaces for other white space), "empty", "duplicate", "left out" (discontinuous
        and skipped), "malformed", "byte order mark counted" (by all offsets of a file),
        "unreadable note", and what `corpus.convert` adds.
    file (str): The path of the file, or the name of the note.
    line (int): Line number in the file, 0 if unknown.
    text (str): The mention. This is patient data: show it only on request.
    other (tuple[int, int] | None): The new offsets of what was moved or lost; the offsets of the
        longer entity for one that is not learned.
    """

    kind: str
    file: str
    line: int = 0
    label: str = ""
    start: int = 0
    end: int = 0
    text: str = ""
    other: Span | None = None

    @property
    def _relation(self) -> str:
        return "overlaps" if self.kind == NOT_LEARNED else "to"

    def describe(self, show_text: bool = False) -> str:
        """The change as one line of text."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        what = f"{self.kind} {self.label} {self.start} {self.end}" if self.label else self.kind
        if self.other:
            what += " {} {} {}".format(self._relation, *self.other)
        text = f" '{self.text}'" if show_text and self.text else ""
        return plain(f"{where}: {what}{text}")

    def to_dict(self, show_text: bool = False) -> dict[str, str | int | Span]:
        """The change as JSON-serialisable data."""
        known = self._asdict() if show_text else self._replace(text="")._asdict()
        known[self._relation] = known.pop("other")
        return {name: value for name, value in known.items() if value != "" and value is not None}


def located(
    note: Note, *, discontinuous: Discontinuous = "cover", changes: list[Change] | None = None
) -> list[tuple[Entity, int]]:
    """Convert the T lines of a note to continuous entities without white space at their edges.

    discontinuous (str): How to handle fragments that have more than white space between them: take
        the "first" or the "longest", "cover" all from first to last, or "skip" the line.
    RETURNS (list[tuple[Entity, int]]): The entities with the numbers of their lines, in this order.
    """
    found: list[tuple[Entity, int]] = []
    for line in note.lines:
        one = line.textbound
        if one is None:
            continue
        entity, kinds = _to_entity(note.text, one, discontinuous)
        for kind in kinds:
            place = (line.number, one.label, one.start, one.end, one.text)
            note_change(changes, Change(kind, note.file or note.name, *place))
        if entity is not None:
            found.append((entity, line.number))
    return found


def entities(
    note: Note, *, discontinuous: Discontinuous = "cover", changes: list[Change] | None = None
) -> list[Entity]:
    """Convert the T lines of a note to entities, see `located`.

    RETURNS (list[Entity]): Without duplicates, sorted by start, end and label.
    """
    found: set[Entity] = set()
    for entity, number in located(note, discontinuous=discontinuous, changes=changes):
        if entity in found:
            place = (number, entity.label, entity.start, entity.end, entity.text)
            note_change(changes, Change("duplicate", note.file or note.name, *place))
        found.add(entity)
    return sorted(found)


def check_labels(
    present: Collection[str], rename: Mapping[str, str], only: Iterable[str] | None
) -> None:
    """Check that the labels to rename, and then the labels to keep, occur.

    RAISES (CardionerError): One does not. The message lists those that do.
    """
    renamed = {rename.get(label, label) for label in present}
    for option, wanted, known in (("label", rename, present), ("only", only or (), renamed)):
        if unknown := sorted(set(wanted) - set(known)):
            listed = f"there are {', '.join(sorted(known))}" if known else "there is no entity"
            raise CardionerError(
                f"--{option}: no entity has the label {', '.join(unknown)}; {listed}"
            )


def note_change(changes: list[Change] | None, change: Change) -> None:
    """Collect a change, if somebody wants to know it."""
    if changes is not None:
        changes.append(change)


def _to_entity(
    text: str, textbound: TextBound, discontinuous: Discontinuous
) -> tuple[Entity | None, list[str]]:
    """The entity of a T line, or None, and the kinds of change."""
    trimmed = (TRIMMED.search(text, *fragment) for fragment in sorted(textbound.fragments))
    parts = [match.span() for match in trimmed if match]
    if not parts:
        return None, ["empty"]
    start, end = parts[0][0], parts[-1][1]
    kinds = _respelled(text, textbound)
    if (start, end) != (textbound.start, textbound.end) and kinds != ["trimmed"]:
        kinds.append("trimmed")
    merged = parts[:1]
    for part in parts[1:]:
        if text[merged[-1][1] : part[0]].strip():
            merged.append(part)
        else:
            merged[-1] = (merged[-1][0], part[1])
    if len(merged) < len(parts):
        kinds.append("merged")
    if len(merged) > 1:
        kinds.append("discontinuous")
        if discontinuous == "skip":
            return None, [*kinds, "left out"]
        if discontinuous == "first":
            start, end = merged[0]
        elif discontinuous == "longest":
            start, end = max(merged, key=lambda part: part[1] - part[0])
    return Entity(start, end, textbound.label, text[start:end]), kinds


def _respelled(text: str, textbound: TextBound) -> list[str]:
    """The kind of change if a line spells a mention with other white space, beside line ends."""
    expected = " ".join(text[start:end] for start, end in textbound.fragments)
    if textbound.text == expected or "\n" in expected or "\r" in expected:
        return []
    return ["trimmed" if bare(textbound.text) == bare(expected) else "respaced"]
