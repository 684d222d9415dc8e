"""Read and write standoff files of the brat annotation tool, and the TSV of MultiCardioNER.

A note is a ``name.txt`` with a ``name.ann`` next to it; the endings may be in capitals. Files are
UTF-8, with any line ends, with or without a byte order mark. Offsets count code points from the
first character after the mark; or from the mark on, as brat's server does, if more mentions of the
file fit so. Only a line feed ends a line of an ``.ann``. Reading and writing a note reproduces its
bytes.

All readers take `lenient`, to skip malformed input instead of raising, and `changes`, a list that
collects what was skipped or changed.

source: https://brat.nlplab.org/standoff.html
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from spacy_cardioner.errors import CardionerError, plain, reason, shown
from spacy_cardioner.files import write_texts
from spacy_cardioner.offsets import BOM, CountedText, Span, bare, same_mention
from spacy_cardioner.spans import Entity, in_order

NOT_LEARNED = "not learned"
Discontinuous = Literal["first", "longest", "cover", "skip"]
T = TypeVar("T")

TXT, ANN = ".txt", ".ann"
TSV_HEADER = ("filename", "label", "start_span", "end_span", "text")

# An id in brat's syntax, a tab and some content; or a comment of any form.
KNOWN_LINE = re.compile(r"(?P<id>[TREAMN#][A-Za-z]*[0-9]\S*|\*)\t\s*\S|#")
TARGET = re.compile(r"(?P<label>\S+) (?P<offsets>[^\s;]+ [^\s;]+(?:;[^\s;]+ [^\s;]+)*)")
ATC = re.compile(r"[A-Z][0-9]{2}([A-Z]([A-Z]([0-9]{2})?)?)?")
# No text needs more digits, and int() rejects very long numbers with an error of its own.
NUMBER = re.compile(r"[0-9]{1,18}")
WORD = re.compile(r"\S+")
TRIMMED = re.compile(r"\S(?:.*\S)?", re.DOTALL)
# A part of a mention without tabs and without anything that some tool treats as a line end.
UNBROKEN = re.compile(r"\S(?:[^\t\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]*\S)?")


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


def read_note(txt: Path, *, lenient: bool = False, changes: list[Change] | None = None) -> Note:
    """Read a ``.txt`` file and the ``.ann`` file next to it, if there is one.

    RETURNS (Note): The note. All its T lines agree with its text.
    RAISES (CardionerError): A file cannot be read or decoded, there are two ``.ann`` files, or a
        line is malformed. The message starts with ``path:line:`` or ``path:``.
    """
    if _parts(txt)[1] != TXT:
        raise CardionerError(f"{txt}: not a .txt file. Give the .txt file of a note.")
    try:
        anns = [path for path in txt.parent.iterdir() if _parts(path) == (_parts(txt)[0], ANN)]
    except (OSError, ValueError) as error:
        raise CardionerError(f"{txt}: cannot be read ({reason(error)}).") from error
    return _read([txt], sorted(anns), lenient, changes)


def read_folder(
    folder: Path, *, lenient: bool = False, changes: list[Change] | None = None
) -> Iterator[Note]:
    """Read all notes of a folder, sorted by name. Hidden files are ignored.

    YIELDS (Note): The notes. If `lenient`, those without a readable text are skipped.
    RAISES (CardionerError): See `read_note`; or the folder has no ``.txt`` file.
    """
    notes: dict[str, dict[str, list[Path]]] = {}
    try:
        for path in sorted(folder.iterdir()):
            name, ending = _parts(path)
            if ending in (TXT, ANN) and not path.name.startswith("."):
                notes.setdefault(name, {TXT: [], ANN: []})[ending].append(path)
    except (OSError, ValueError) as error:
        raise CardionerError(f"{folder}: cannot be read as a folder ({reason(error)}).") from error
    if not any(files[TXT] for files in notes.values()):
        raise CardionerError(f"{folder}: no .txt files. Give the folder that contains the notes.")
    for name, files in sorted(notes.items()):
        txts = files[TXT] or [folder / f"{name}{TXT}"]
        try:
            note = _read(txts, files[ANN], lenient, changes)
        except CardionerError:
            if not lenient:
                raise
            _add(changes, Change("unreadable note", str(txts[0])))
        else:
            yield note


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
            _add(changes, Change(kind, note.file or note.name, *place))
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
            _add(changes, Change("duplicate", note.file or note.name, *place))
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


def note_from_entities(
    name: str,
    text: str,
    entities: Iterable[Entity],
    attributes: Iterable[Mapping[str, bool | str] | None] | None = None,
) -> Note:
    r"""Make a note from entities. Its T lines are numbered from T1.

    The code of an entity becomes an N line, such as "N1\tReference T1 ATC:C03CA01\tfurosemida".

    A mention that contains a line end or a tab is split into fragments around it, as brat does.

    attributes (Iterable[Mapping[str, bool | str] | None] | None): The brat attributes of each
        entity, by name: True for a binary attribute ("A1\tNegated T1"), a string for a value
        ("A2\tCertainty T1 Low"). False writes nothing.
    RAISES (CardionerError): Standoff cannot represent an entity, label or attribute.
    """
    entities = list(entities)
    lines: list[Line] = []
    counts: Counter[str] = Counter()

    def add(kind: str, content: str, textbound: TextBound | None = None) -> None:
        counts[kind] += 1
        lines.append(Line(len(lines) + 1, f"{kind}{counts[kind]}\t{content}", "\n", textbound))

    given = [None] * len(entities) if attributes is None else attributes
    for index, (entity, named) in enumerate(zip(entities, given, strict=True), start=1):
        try:
            one = _textbound(f"T{index}", text, entity)
            offsets = ";".join(f"{start} {end}" for start, end in one.fragments)
            add("T", f"{one.label} {offsets}\t{one.text}", one)
            for attribute, value in (named or {}).items():
                if value is not False:
                    add("A", _attribute(one.id, attribute, value))
            if entity.kb_id:
                add("N", f"Reference {one.id} {_reference(entity.kb_id)}\t{one.text}")
        except ValueError as error:
            raise CardionerError(f"the note {shown(name)}: entity {index}: {error}.") from None
    return Note(name, text, lines)


def write_note(note: Note, folder: Path) -> None:
    """Write ``name.txt`` and, if the note is annotated, ``name.ann`` to a folder.

    RAISES (CardionerError): The name is not a file name, or the files cannot be written.
    """
    txt = folder / f"{note.name}.txt"
    if not note.name or {"/", "\0"} & set(note.name):
        raise CardionerError(
            f"{folder}: the name of a note must be a file name without slashes: {shown(note.name)}."
        )
    # A text that starts with U+FEFF needs a mark before it, or it would be read as the mark.
    files = {txt: BOM * (note.bom or note.text.startswith(BOM)) + note.text}
    if note.annotated:
        lines = "".join(line.raw + line.eol for line in note.lines)
        files[folder / f"{note.name}.ann"] = BOM * note.ann_bom + lines
    try:
        contents = {path: text.encode("utf-8") for path, text in files.items()}
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in contents.items():
            path.write_bytes(content)
    except (OSError, ValueError) as error:
        raise CardionerError(
            f"{folder}: the note {shown(note.name)} cannot be written ({reason(error)})."
        ) from error


def read_tsv(
    path: Path,
    *,
    repeated: bool = False,
    lenient: bool = False,
    changes: list[Change] | None = None,
) -> dict[str, list[Entity]]:
    """Read a TSV of the task: filename, label, start_span, end_span, text, without quoting.

    The text of an entity is the one in the table, which has spaces for line ends and tabs.

    repeated (bool): Keep an entity each time that it occurs. Default: the first of those with the
        same label and offsets.
    RETURNS (dict[str, list[Entity]]): By note that has entities, sorted by start, end and label.
    RAISES (CardionerError): The file cannot be read, has another header, or a row is malformed.
    """
    try:
        header, _, rows = path.read_bytes().partition(b"\n")
    except (OSError, ValueError) as error:
        raise CardionerError(f"{path}: cannot be read ({reason(error)}).") from error
    if header.decode("utf-8-sig", "replace").rstrip("\r").split("\t") != [*TSV_HEADER]:
        columns = ", ".join(TSV_HEADER)
        raise CardionerError(f"{path}:1: the header must be {columns}, separated by tabs.")
    parsed, faults = _parse_lines(rows, _tsv_row, first=2)
    _report(path, faults, lenient, changes)
    found: dict[str, list[Entity]] = {}
    seen: set[tuple[str, int, int, str]] = set()
    for name, entity in parsed:
        if repeated or (name, *entity[:3]) not in seen:
            found.setdefault(name, []).append(entity)
        else:
            _add(changes, Change("duplicate", name, 0, entity.label, entity.start, entity.end))
        seen.add((name, *entity[:3]))
    return {name: sorted(of_note, key=in_order) for name, of_note in found.items()}


def write_tsv(path: Path, notes: Mapping[str, Iterable[Entity]]) -> None:
    """Write a TSV of the task. Line ends and tabs inside a mention become one space.

    RAISES (CardionerError): A name, label or offset is invalid, or the file cannot be written.
    """
    rows = ["\t".join(TSV_HEADER)]
    for name, found in notes.items():
        if not name or re.search(r"[\t\r\n]", name):
            raise CardionerError(f"{path}: a file name is empty or contains a tab or line end.")
        for start, end, label, text, *_ in found:
            if not WORD.fullmatch(label) or not 0 <= start < end:
                what = f"the label {shown(label)} at {start} to {end}"
                raise CardionerError(f"{path}: {what} in {shown(name)} is invalid.")
            rows.append(f"{name}\t{label}\t{start}\t{end}\t{_one_line(text)}")
    write_texts({path: "".join(f"{row}\n" for row in rows)})


def _add(changes: list[Change] | None, change: Change) -> None:
    if changes is not None:
        changes.append(change)


def _parts(path: Path) -> tuple[str, str]:
    """The name of a note and the ending of its file, in lower case."""
    return path.name[: -len(TXT)], path.name[-len(TXT) :].lower()


def _read(
    txts: Sequence[Path], anns: Sequence[Path], lenient: bool, changes: list[Change] | None
) -> Note:
    """Read the files of a note, whose endings may differ in case."""
    for files in (txts, anns):
        if len(files) > 1:
            names = " and ".join(path.name for path in files)
            raise CardionerError(
                f"{files[0]}: {names} are files of one note. Rename or remove one."
            )
    txt, ann = txts[0], anns[0] if anns else txts[0].with_name(f"{_parts(txts[0])[0]}{ANN}")
    try:
        marked = txt.read_bytes().decode("utf-8")
        data = ann.read_bytes() if anns else b""
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise CardionerError(f"{txt}:{line}: not UTF-8. Save the text as UTF-8.") from None
    except (OSError, ValueError) as error:
        raise CardionerError(
            f"{txt}: cannot be read with its {ann.name} ({reason(error)})."
        ) from error
    text = marked.removeprefix(BOM)
    lines, faults = _parse_lines(data, partial(_ann_line, CountedText(text), set()))
    if faults and text != marked:
        counted = _parse_lines(data, partial(_ann_line, CountedText(marked, mark=1), set()))
        if len(counted[1]) < len(faults):
            lines, faults = counted
            _add(changes, Change("byte order mark counted", str(ann)))
    _report(ann, faults, lenient, changes)
    bom, ann_bom = text != marked, data.startswith(BOM.encode())
    return Note(_parts(txt)[0], text, lines, bool(anns), bom, ann_bom, str(ann))


def _parse_lines(
    data: bytes, parse: Callable[[int, str, str], T], first: int = 1
) -> tuple[list[T], list[tuple[int, str]]]:
    """Parse each line. A line feed, with or without a carriage return before it, ends a line.

    RETURNS (tuple): The good lines, and the number of each other line with what is wrong with it.
    """
    *pieces, last = data.removeprefix(BOM.encode()).split(b"\n")
    ended = [(piece, "\n") for piece in pieces] + ([(last, "")] if last else [])
    parsed, faults = [], []
    for number, (piece, end) in enumerate(ended, start=first):
        raw = piece.removesuffix(b"\r")
        try:
            parsed.append(parse(number, raw.decode("utf-8"), "\r" * (raw != piece) + end))
        except ValueError as error:  # also UnicodeDecodeError
            faults.append((number, str(error)))
    return parsed, faults


def _report(
    path: Path, faults: Sequence[tuple[int, str]], lenient: bool, changes: list[Change] | None
) -> None:
    for number, fault in faults:
        if not lenient:
            remedy = "Correct the file, or skip such lines with --lenient"
            raise CardionerError(f"{path}:{number}: {fault}. {remedy}.")
        _add(changes, Change("malformed", str(path), number))


def _ann_line(text: CountedText, ids: set[str], number: int, raw: str, eol: str) -> Line:
    """Parse a line of an .ann file. `ids` collects its ids, which must be unique."""
    if not raw.strip():
        return Line(number, raw, eol)
    known = KNOWN_LINE.match(raw)
    if known is None:
        raise ValueError("does not start with a brat id (T1, A1, R1, #1, *, ...) and a tab")
    if known["id"] in ids:
        raise ValueError("an earlier line of this file has the same id")
    textbound = _parse_textbound(raw, text) if raw.startswith("T") else None
    if known["id"] not in (None, "*"):
        ids.add(known["id"])
    return Line(number, raw, eol, textbound)


def _parse_textbound(raw: str, text: CountedText) -> TextBound:
    id_, target, *rest = raw.split("\t", maxsplit=2)
    match = TARGET.fullmatch(target)
    if match is None or not rest:
        raise ValueError("a T line is: id, tab, label and offsets ('LABEL 0 5'), tab, mention")
    fragments = [_offsets(*pair.split(" ")) for pair in match["offsets"].split(";")]
    ordered = sorted(fragments)
    if any(after < before for (_, before), (after, _) in pairwise(ordered)):
        raise ValueError("fragments overlap")
    fault = ""
    if ordered[-1][1] > len(text.text):
        fault = f"ends at {ordered[-1][1]}, but the text has {len(text.text)} characters"
    elif not same_mention(rest[0], text.cut(fragments)):
        fault = "the mention is not the text at the offsets"
    if fault:
        counted = text.guess(fragments, rest[0])
        raise ValueError(fault + f"; the offsets fit if they count {counted}" * bool(counted))
    of_note = ((max(0, start - text.mark), end - text.mark) for start, end in fragments)
    return TextBound(id_, match["label"], tuple(of_note), rest[0])


def _tsv_row(number: int, raw: str, eol: str) -> tuple[str, Entity]:
    columns = raw.split("\t", maxsplit=4)
    if len(columns) < 5:
        raise ValueError(f"{len(columns)} columns instead of 5")
    name, label, start, end, text = columns
    if not name or not WORD.fullmatch(label):
        raise ValueError("the file name or the label is empty, or the label contains white space")
    return name, Entity(*_offsets(start, end), label, text)


def _offsets(start: str, end: str) -> Span:
    if not NUMBER.fullmatch(start) or not NUMBER.fullmatch(end):
        raise ValueError("an offset is not a whole number")
    if int(start) >= int(end):
        raise ValueError(f"the end {int(end)} is not after the start {int(start)}")
    return int(start), int(end)


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


def _textbound(id_: str, text: str, entity: Entity) -> TextBound:
    start, end, label, mention = entity[:4]
    if not WORD.fullmatch(label):
        raise ValueError("the label is empty or contains white space")
    if not 0 <= start < end <= len(text) or text[start:end] != mention:
        raise ValueError(f"its mention is not the text from {start} to {end}")
    fragments = tuple(match.span() for match in UNBROKEN.finditer(text, start, end))
    if not fragments:
        raise ValueError("only white space")
    return TextBound(id_, label, fragments, _one_line(mention))


def _attribute(target: str, name: str, value: bool | str) -> str:
    words = [name, target] if value is True else [name, target, str(value)]
    if not all(WORD.fullmatch(word) for word in words):
        raise ValueError("the name or value of an attribute is empty or contains white space")
    return " ".join(words)


def _reference(code: str) -> str:
    """A code with its registry, as one word: "ATC:C03CA01", "CIMA:12345"."""
    code = "_".join(code.split())
    if ATC.fullmatch(code):
        return f"ATC:{code}"
    return code if ":" in code[1:-1] else f"KB:{code}"


def _one_line(mention: str) -> str:
    return " ".join(UNBROKEN.findall(mention))
