"""Standoff files, as the brat annotation tool defines them, to notes and back.

A note is a ``name.txt`` with the ``name.ann`` beside it. Files are read and written byte by byte:
UTF-8, any line end, with or without a byte order mark. Offsets count code points from the first
character after the mark. Lines of an ``.ann`` end at a line feed and nowhere else. Reading a note
and writing it gives back the same bytes.

source: https://brat.nlplab.org/standoff.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.spans import Entity

Discontinuous = Literal["first", "longest", "cover", "skip"]
Span = tuple[int, int]
T = TypeVar("T")

BOM = b"\xef\xbb\xbf"
TSV_HEADER = ("filename", "label", "start_span", "end_span", "text")

# An id, as brat takes it, a tab and something after it; or a comment of any form.
KNOWN_LINE = re.compile(r"(?P<id>[TREAMN#][A-Za-z]*[0-9]\S*|\*)\t\s*\S|#")
TARGET = re.compile(r"(?P<label>\S+) (?P<offsets>[^\s;]+ [^\s;]+(?:;[^\s;]+ [^\s;]+)*)")
# No text is long enough for more digits, and int() has a limit of its own.
NUMBER = re.compile(r"[0-9]{1,18}")
WORD = re.compile(r"\S+")
# What a tab or anything that some tool takes for a line end leaves of a mention.
UNBROKEN = re.compile(r"[^\t\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]+")


class BratError(CardionerError):
    """A standoff or TSV file is at fault. The message starts with ``path:line:`` or ``path:``."""


class _Fault(Exception):
    """What is wrong with one line; whoever knows the path and the number makes it a BratError."""


@dataclass(frozen=True)
class TextBound:
    """One T line.

    fragments (tuple[tuple[int, int], ...]): Start and end of each part, in the order of the line.
    text (str): The mention as the line spells it: line ends as spaces, parts joined by a space.
    """

    id: str
    label: str
    fragments: tuple[Span, ...]
    text: str

    @property
    def start(self) -> int:
        """Where the first part starts."""
        return min(start for start, _ in self.fragments)

    @property
    def end(self) -> int:
        """Where the last part ends."""
        return max(end for _, end in self.fragments)


@dataclass(frozen=True)
class Line:
    """One line of an .ann file, whatever it holds: ``raw + eol`` is the line as it stands there."""

    number: int
    raw: str
    eol: str
    textbound: TextBound | None = None


@dataclass
class Note:
    """A text with its annotations.

    name (str): The file name without ``.txt``.
    text (str): The characters of the file, line ends untouched, without the byte order mark.
    lines (list[Line]): The lines of the ``.ann``.
    annotated (bool): False where there is no ``.ann``; an empty ``.ann`` is an annotation too.
    bom, ann_bom (bool): Whether the ``.txt`` and the ``.ann`` start with a byte order mark.
    """

    name: str
    text: str
    lines: list[Line]
    annotated: bool = True
    bom: bool = False
    ann_bom: bool = False

    @property
    def textbounds(self) -> list[TextBound]:
        """The T lines, in the order of the file."""
        return [line.textbound for line in self.lines if line.textbound is not None]


class Change(NamedTuple):
    """What reading did to one line or entity, for reports; `text` is a patient's data.

    kind (str): "merged" (parts joined over white space), "discontinuous", "trimmed", "empty",
        "duplicate", "left out" (by the policy for discontinuous ones), or "malformed" (skipped).
    file (str): The file's path, or the note's name.
    line (int): Number of the line in the file, 0 where it is not known.
    """

    kind: str
    file: str
    line: int = 0
    label: str = ""
    start: int = 0
    end: int = 0
    text: str = ""

    def describe(self, show_text: bool = False) -> str:
        """One line for a person, without the mention unless asked for."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        what = f"{self.kind} {self.label} {self.start} {self.end}" if self.label else self.kind
        return f"{where}: {what}" + (f" {self.text!r}" if show_text and self.text else "")

    def to_dict(self, show_text: bool = False) -> dict[str, str | int]:
        """The change as data, without the mention unless asked for."""
        return {k: v for k, v in self._asdict().items() if v != "" and (show_text or k != "text")}


def read_note(txt: Path, *, lenient: bool = False, changes: list[Change] | None = None) -> Note:
    """Read a ``.txt`` and the ``.ann`` beside it, if there is one.

    txt (Path): The ``.txt`` file.
    lenient (bool): Leave out malformed lines of the ``.ann``.
    changes (list[Change] | None): Gets the lines left out, as "malformed".
    RETURNS (Note): The note, whose T lines all agree with its text.
    RAISES (BratError): The files cannot be read or decoded, or a line is malformed.
    """
    changes = [] if changes is None else changes
    txt = Path(txt)
    if not txt.name.endswith(".txt"):
        raise BratError(f"{txt}: a note is a .txt file with its .ann beside it; give the .txt.")
    ann = txt.with_name(txt.name.removesuffix(".txt") + ".ann")
    data = _read_bytes(txt)
    if data is None:
        why = f" for the {ann.name} beside it" if ann.exists() else ""
        raise BratError(f"{txt}: there is no such file{why}.")
    text = _decode_text(txt, data.removeprefix(BOM))
    ann_data = _read_bytes(ann)
    lines = list(_each_line(ann, ann_data or b"", _AnnParser(text), lenient, changes))
    return Note(
        name=txt.name.removesuffix(".txt"),
        text=text,
        lines=lines,
        annotated=ann_data is not None,
        bom=data.startswith(BOM),
        ann_bom=ann_data is not None and ann_data.startswith(BOM),
    )


def read_folder(
    folder: Path, *, lenient: bool = False, changes: list[Change] | None = None
) -> Iterator[Note]:
    """Read every note of a folder, sorted by name; hidden files are no notes.

    lenient (bool): Leave out malformed lines, and notes whose text cannot be read or is missing.
    changes (list[Change] | None): Gets what was left out: "malformed", and "unreadable note".
    YIELDS (Note): One note after the other.
    RAISES (BratError): As `read_note` does; or the folder holds no ``.txt``.
    """
    changes = [] if changes is None else changes
    folder = Path(folder)
    try:
        files = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    except (OSError, ValueError) as error:
        raise BratError(f"{folder}: not a folder that can be read ({error}).") from error
    texts = {name.removesuffix(".txt") for name in files if name.endswith(".txt")}
    anns = {name.removesuffix(".ann") for name in files if name.endswith(".ann")}
    if not texts:
        raise BratError(f"{folder}: no .txt file in it. Give the folder that holds the notes.")
    for name in sorted(texts | anns):
        try:
            note = read_note(folder / f"{name}.txt", lenient=lenient, changes=changes)
        except BratError:
            if not lenient:
                raise
            changes.append(Change("unreadable note", str(folder / f"{name}.txt")))
        else:
            yield note


def entities(
    note: Note,
    *,
    discontinuous: Discontinuous = "cover",
    changes: list[Change] | None = None,
) -> list[Entity]:
    """The T lines of a note as continuous, clean entities.

    discontinuous (str): What becomes of parts with more than white space between them: the "first"
        part, the "longest", all from first to last ("cover"), or nothing ("skip").
    changes (list[Change] | None): Gets the T lines that had parts joined over white space
        ("merged"), were "discontinuous" and for that "left out", lost white space at their edges
        ("trimmed"), held nothing else ("empty"), or said what another had said ("duplicate").
    RETURNS (list[Entity]): Sorted by start, end and label.
    """
    changes = [] if changes is None else changes
    found: set[Entity] = set()
    for line in note.lines:
        if line.textbound is None:
            continue
        kinds, entity = _clean(note.text, line.textbound, discontinuous)
        if entity in found:
            kinds.append("duplicate")
        changes.extend(_change(kind, note.name, line) for kind in kinds)
        if entity is not None:
            found.add(entity)
    return sorted(found)


def note_from_entities(
    name: str,
    text: str,
    entities: Iterable[Entity],
    attributes: Iterable[Mapping[str, bool | str] | None] | None = None,
) -> Note:
    r"""A note that says in standoff what the entities say, numbered T1, T2, and so on.

    A mention with a line end or a tab inside is written as brat writes it: one fragment for each
    part, joined by a space. `entities` makes it whole again.

    attributes (Iterable[Mapping[str, bool | str] | None] | None): For each entity, brat attributes
        by name: True for a binary one ("A1\tNegated T1"), a string for one with a value
        ("A2\tCertainty T1 Low"). False writes nothing.
    RAISES (BratError): An entity, label or attribute that standoff cannot hold.
    """
    entities = list(entities)
    rows: list[tuple[str, TextBound | None]] = []
    number = 0
    given = [None] * len(entities) if attributes is None else list(attributes)
    for index, (entity, named) in enumerate(zip(entities, given, strict=True), start=1):
        try:
            textbound = _textbound(f"T{index}", text, entity)
            rows.append((_t_line(textbound), textbound))
            for attribute, value in (named or {}).items():
                if value is not False:
                    number += 1
                    rows.append((_a_line(f"A{number}", textbound.id, attribute, value), None))
        except _Fault as fault:
            raise BratError(f"{name}: entity {index}: {fault}.") from None
    lines = [Line(i, raw, "\n", textbound) for i, (raw, textbound) in enumerate(rows, start=1)]
    return Note(name=name, text=text, lines=lines)


def write_note(note: Note, folder: Path) -> None:
    """Write ``name.txt`` and, if the note is annotated, ``name.ann`` into a folder.

    RAISES (BratError): The name is not a file name, or the files cannot be written.
    """
    txt = Path(folder) / f"{note.name}.txt"
    if not note.name or {"/", "\0"} & set(note.name):
        raise BratError(f"{txt}: the name of a note must be a file name, without slashes.")
    ann = txt.with_name(f"{note.name}.ann")
    # A text that starts with U+FEFF needs a mark before it, or reading would take that for one.
    files = {txt: (note.bom or note.text.startswith("\ufeff"), note.text)}
    if note.annotated:
        files[ann] = (note.ann_bom, "".join(line.raw + line.eol for line in note.lines))
    encoded = {path: BOM * bom + _encode(path, text) for path, (bom, text) in files.items()}
    for path, data in encoded.items():
        _write_bytes(path, data)


def read_tsv(
    path: Path, *, lenient: bool = False, changes: list[Change] | None = None
) -> dict[str, list[Entity]]:
    """Read the task's table: filename, label, start_span, end_span, text, without quoting.

    The text of an entity is the table's, where line ends and tabs of the note stand as spaces; the
    offsets are what counts. A note without entities has no row, and is not in the answer.

    lenient (bool): Leave out malformed rows.
    changes (list[Change] | None): Gets rows left out ("malformed") and repeated ("duplicate").
    RETURNS (dict[str, list[Entity]]): By note, sorted by start, end and label.
    RAISES (BratError): The file cannot be read, has another header, or a row is malformed.
    """
    changes = [] if changes is None else changes
    path = Path(path)
    data = _read_bytes(path)
    if data is None:
        raise BratError(f"{path}: not found.")
    header, _, rows = data.removeprefix(BOM).partition(b"\n")
    if header.removesuffix(b"\r") != "\t".join(TSV_HEADER).encode():
        columns = ", ".join(TSV_HEADER)
        raise BratError(f"{path}:1: the header must name, parted by tabs: {columns}.")
    found: dict[str, dict[tuple[int, int, str], Entity]] = {}
    for name, entity in _each_line(path, rows, _tsv_row, lenient, changes, first=2):
        of_note = found.setdefault(name, {})
        if entity[:3] in of_note:
            changes.append(Change("duplicate", name, 0, entity.label, entity.start, entity.end))
        of_note.setdefault(entity[:3], entity)
    return {name: sorted(of_note.values()) for name, of_note in found.items()}


def write_tsv(path: Path, notes: Mapping[str, Iterable[Entity]]) -> None:
    """Write the task's table, unquoted: line ends and tabs inside a mention become one space.

    RAISES (BratError): A file name or label holds what parts the columns, offsets are no offsets,
        or the file cannot be written.
    """
    path = Path(path)
    rows = ["\t".join(TSV_HEADER)]
    for name, found in notes.items():
        for start, end, label, text, *_ in found:
            if not name or re.search(r"[\t\r\n]", name):
                raise BratError(f"{path}: a file name with a tab or line end, or an empty one.")
            if not WORD.fullmatch(label):
                raise BratError(f"{path}: a label with white space, or an empty one, in {name}.")
            if not 0 <= start < end:
                raise BratError(f"{path}: {start} to {end} is no span of characters, in {name}.")
            rows.append(f"{name}\t{label}\t{start}\t{end}\t{_one_line(text)}")
    _write_bytes(path, _encode(path, "".join(f"{row}\n" for row in rows)))


def _each_line(
    path: Path,
    data: bytes,
    parse: Callable[[int, str, str], T],
    lenient: bool,
    changes: list[Change],
    first: int = 1,
) -> Iterator[T]:
    """Parse each line. A line feed ends it; a carriage return before that is part of the end."""
    pieces = data.removeprefix(BOM).split(b"\n")
    for number, piece in enumerate(pieces, start=first):
        last = number - first == len(pieces) - 1
        if last and not piece:
            return
        raw = piece.removesuffix(b"\r")
        eol = "\r" * (raw != piece) + "\n" * (not last)
        try:
            try:
                parsed = parse(number, raw.decode("utf-8"), eol)
            except UnicodeDecodeError:
                raise _Fault("not UTF-8") from None
        except _Fault as fault:
            if not lenient:
                remedy = "Correct the line, or leave such lines out with --lenient"
                raise BratError(f"{path}:{number}: {fault}. {remedy}.") from None
            changes.append(Change("malformed", str(path), number))
        else:
            yield parsed


class _AnnParser:
    """Parses the lines of one .ann against its text; remembers the ids, which brat wants unique."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.ids: set[str] = set()

    def __call__(self, number: int, raw: str, eol: str) -> Line:
        if not raw.strip():
            return Line(number, raw, eol)
        known = KNOWN_LINE.match(raw)
        if known is None:
            raise _Fault("starts with no id and tab as brat has them (T1, A1, R1, #1, *, ...)")
        id_ = known["id"]
        if id_ in self.ids:
            raise _Fault("its id has been used before in this file")
        textbound = None
        if raw.startswith("T"):
            textbound = _parse_textbound(raw, self.text)
        if id_ not in (None, "*"):
            self.ids.add(id_)
        return Line(number, raw, eol, textbound)


def _parse_textbound(raw: str, text: str) -> TextBound:
    id_, target, *rest = raw.split("\t", maxsplit=2)
    match = TARGET.fullmatch(target)
    if match is None or not rest:
        raise _Fault("a T line is: id, tab, label and offsets ('LABEL 0 5'), tab, mention")
    fragments = tuple(_span(*pair.split(" ")) for pair in match["offsets"].split(";"))
    ordered = sorted(fragments)
    if any(after < before for (_, before), (after, _) in pairwise(ordered)):
        raise _Fault("fragments overlap")
    if ordered[-1][1] > len(text):
        raise _Fault(f"ends at {ordered[-1][1]}, but the text has {len(text)} characters")
    if not _same_mention(rest[0], " ".join(text[start:end] for start, end in fragments)):
        raise _Fault("the mention is not the text at the offsets")
    return TextBound(id_, match["label"], fragments, rest[0])


def _tsv_row(number: int, raw: str, eol: str) -> tuple[str, Entity]:
    columns = raw.split("\t", maxsplit=4)
    if len(columns) < 5:
        raise _Fault(f"{len(columns)} columns instead of 5")
    name, label, start, end, text = columns
    if not name or not WORD.fullmatch(label):
        raise _Fault("the file name or the label is empty, or the label has white space")
    return name, Entity(*_span(start, end), label, text)


def _span(start: str, end: str) -> Span:
    if not NUMBER.fullmatch(start) or not NUMBER.fullmatch(end):
        raise _Fault("an offset is not a whole number")
    if int(start) >= int(end):
        raise _Fault(f"ends at {int(end)}, not after its start at {int(start)}")
    return int(start), int(end)


def _same_mention(mention: str, reference: str) -> bool:
    """Tools spell a line end inside a mention as one space, as two, or leave a part of it."""
    if mention == reference:
        return True
    has_line_end = "\n" in reference or "\r" in reference
    return has_line_end and mention.split() == reference.split()


def _change(kind: str, file: str, line: Line) -> Change:
    one = line.textbound
    assert one is not None
    return Change(kind, file, line.number, one.label, one.start, one.end, one.text)


def _clean(
    text: str, textbound: TextBound, discontinuous: Discontinuous
) -> tuple[list[str], Entity | None]:
    """The entity of a T line, if there is one, and the kinds of change that it took."""
    trimmed = (_trim(text, *fragment) for fragment in sorted(textbound.fragments))
    parts = [(start, end) for start, end in trimmed if start < end]
    if not parts:
        return ["empty"], None
    merged = _merge(text, parts)
    kinds = {
        "trimmed": (parts[0][0], parts[-1][1]) != (textbound.start, textbound.end),
        "merged": len(merged) < len(parts),
        "discontinuous": len(merged) > 1,
        "left out": len(merged) > 1 and discontinuous == "skip",
    }
    start, end = _choose(merged, discontinuous)
    entity = None if kinds["left out"] else Entity(start, end, textbound.label, text[start:end])
    return [kind for kind, holds in kinds.items() if holds], entity


def _choose(parts: Sequence[Span], discontinuous: Discontinuous) -> Span:
    if discontinuous == "first":
        return parts[0]
    if discontinuous == "longest":
        return max(parts, key=lambda part: part[1] - part[0])
    return parts[0][0], parts[-1][1]


def _trim(text: str, start: int, end: int) -> Span:
    span = text[start:end]
    left = len(span) - len(span.lstrip())
    return start + left, start + len(span.rstrip())


def _merge(text: str, parts: Sequence[Span]) -> list[Span]:
    merged = [parts[0]]
    for start, end in parts[1:]:
        if text[merged[-1][1] : start].strip():
            merged.append((start, end))
        else:
            merged[-1] = (merged[-1][0], end)
    return merged


def _textbound(id_: str, text: str, entity: Entity) -> TextBound:
    start, end, label, mention = entity[:4]
    if not WORD.fullmatch(label):
        raise _Fault("a label is one word, without white space")
    if not 0 <= start < end <= len(text) or text[start:end] != mention:
        raise _Fault(f"its text is not the note's text from {start} to {end}")
    fragments = tuple((start + first, start + last) for first, last in _unbroken(mention))
    if not fragments:
        raise _Fault("nothing but white space")
    return TextBound(id_, label, fragments, _one_line(mention))


def _t_line(textbound: TextBound) -> str:
    offsets = ";".join(f"{start} {end}" for start, end in textbound.fragments)
    return f"{textbound.id}\t{textbound.label} {offsets}\t{textbound.text}"


def _a_line(id_: str, target: str, name: str, value: bool | str) -> str:
    words = [name, target] if value is True else [name, target, str(value)]
    if not all(WORD.fullmatch(word) for word in words):
        raise _Fault("an attribute's name and value are one word each, without white space")
    return f"{id_}\t{' '.join(words)}"


def _unbroken(mention: str) -> Iterator[Span]:
    """The parts of a mention between tabs and line ends, as brat fragments one."""
    for match in UNBROKEN.finditer(mention):
        start, end = _trim(mention, *match.span())
        if start < end:
            yield start, end


def _one_line(mention: str) -> str:
    return " ".join(mention[start:end] for start, end in _unbroken(mention))


def _decode_text(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BratError(f"{path}:{line}: not UTF-8. Save the text as UTF-8.") from None


def _encode(path: Path, text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise BratError(f"{path}: holds half a surrogate pair, which UTF-8 cannot write.") from None


def _read_bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BratError(f"{path}: cannot be read ({error}).") from error


def _write_bytes(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except (OSError, ValueError) as error:
        raise BratError(f"{path}: cannot be written ({error}).") from error
