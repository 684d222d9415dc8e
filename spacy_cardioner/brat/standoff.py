"""Read and write standoff files of the brat annotation tool.

A note is a ``name.txt`` with a ``name.ann`` next to it; the endings may be in capitals. Files are
UTF-8, with any line ends, with or without a byte order mark. Offsets count code points from the
first character after the mark; or from the mark on, as brat's server does, if more mentions of the
file fit so. Only a line feed ends a line of an ``.ann``. Reading and writing a note reproduces its
bytes.

source: https://brat.nlplab.org/standoff.html
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from spacy_cardioner.brat.notes import Change, Line, Note, TextBound, note_change
from spacy_cardioner.brat.offsets import BOM, CountedText, Span, same_mention
from spacy_cardioner.errors import CardionerError, reason, shown
from spacy_cardioner.spans import Entity, vocabulary_of

T = TypeVar("T")

TXT, ANN = ".txt", ".ann"

# An id in brat's syntax, a tab and some content; or a comment of any form.
KNOWN_LINE = re.compile(r"(?P<id>[TREAMN#][A-Za-z]*[0-9]\S*|\*)\t\s*\S|#")
TARGET = re.compile(r"(?P<label>\S+) (?P<offsets>[^\s;]+ [^\s;]+(?:;[^\s;]+ [^\s;]+)*)")
# The label of a T line.
LABEL = re.compile(rb"^T\S*\t(\S+) [0-9; ]+\t", re.MULTILINE)
# No text needs more digits, and int() rejects very long numbers with an error of its own.
NUMBER = re.compile(r"[0-9]{1,18}")
WORD = re.compile(r"\S+")
# A part of a mention without tabs and without anything that some tool treats as a line end.
UNBROKEN = re.compile(r"\S(?:[^\t\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]*\S)?")


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
    folder: Path,
    *,
    annotations: Path | None = None,
    has: Callable[[str], bool] = bool,
    lenient: bool = False,
    changes: list[Change] | None = None,
) -> Iterator[Note]:
    """Read all notes of a folder, sorted by name. Hidden files are ignored.

    annotations (Path | None): Folder of the ``.ann`` files. Default: the same.
    has (Callable[[str], bool]): Whether to read a note of this name. Default: all.
    YIELDS (Note): The notes. If `lenient`, those without a readable text are skipped.
    RAISES (CardionerError): See `read_note`; or the folder has no ``.txt`` file.
    """
    notes: dict[str, dict[str, list[Path]]] = {}
    for ending, place in ((TXT, folder), (ANN, annotations or folder)):
        for path in _files(place, ending):
            notes.setdefault(_parts(path)[0], {TXT: [], ANN: []})[ending].append(path)
    if not any(files[TXT] for files in notes.values()):
        raise CardionerError(f"{folder}: no .txt files. Give the folder that contains the notes.")
    for name, files in sorted(notes.items()):
        if not has(name):
            continue
        txts = files[TXT] or [folder / f"{name}{TXT}"]
        try:
            note = _read(txts, files[ANN], lenient, changes)
        except CardionerError:
            if not lenient:
                raise
            note_change(changes, Change("unreadable note", str(txts[0])))
        else:
            yield note


def note_names(folder: Path, ending: str = TXT) -> list[str]:
    """The names of the notes of a folder, or with ".ann" of those that are annotated.

    RAISES (CardionerError): The folder cannot be read.
    """
    return [_parts(path)[0] for path in _files(folder, ending)]


def note_labels(folder: Path, has: Callable[[str], bool] = bool) -> Counter[str]:
    """How often each label occurs in the ``.ann`` files of a folder.

    has (Callable[[str], bool]): Whether to count a note of this name. Default: all.
    RAISES (CardionerError): A file cannot be read.
    """
    counts: Counter[bytes] = Counter()
    for path in _files(folder, ANN):
        if has(_parts(path)[0]):
            try:
                counts.update(LABEL.findall(path.read_bytes().removeprefix(BOM.encode())))
            except (OSError, ValueError) as error:
                raise CardionerError(f"{path}: cannot be read ({reason(error)}).") from error
    return Counter({label.decode("utf-8", "replace"): counts[label] for label in counts})


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
    if not note.name or {"/", "\0"} & set(note.name):
        raise CardionerError(
            f"{folder}: the name of a note must be a file name without slashes: {shown(note.name)}."
        )
    try:
        contents = note_files(note)
        folder.mkdir(parents=True, exist_ok=True)
        for ending, content in contents.items():
            (folder / f"{note.name}{ending}").write_bytes(content)
    except (OSError, ValueError) as error:
        raise CardionerError(
            f"{folder}: the note {shown(note.name)} cannot be written ({reason(error)})."
        ) from error


def note_files(note: Note) -> dict[str, bytes]:
    """The contents of the files of a note, by their endings: ``.txt`` and, if annotated, ``.ann``.

    RAISES (UnicodeEncodeError): It holds what is not Unicode.
    """
    # A text that starts with U+FEFF needs a mark before it, or it would be read as the mark.
    files = {".txt": BOM * (note.bom or note.text.startswith(BOM)) + note.text}
    if note.annotated:
        lines = "".join(line.raw + line.eol for line in note.lines)
        files[ANN] = BOM * note.ann_bom + lines
    return {ending: text.encode("utf-8") for ending, text in files.items()}


def _files(folder: Path, ending: str) -> list[Path]:
    """The files of a folder with an ending in any case, sorted by name, without hidden ones."""
    try:
        paths = sorted(folder.iterdir())
    except (OSError, ValueError) as error:
        raise CardionerError(f"{folder}: cannot be read as a folder ({reason(error)}).") from error
    return [path for path in paths if _parts(path)[1] == ending and not path.name.startswith(".")]


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
    lines, faults = parse_lines(data, partial(_ann_line, CountedText(text), set()))
    if faults and text != marked:
        counted = parse_lines(data, partial(_ann_line, CountedText(marked, mark=1), set()))
        if len(counted[1]) < len(faults):
            lines, faults = counted
            note_change(changes, Change("byte order mark counted", str(ann)))
    report_faults(ann, faults, lenient, changes)
    bom, ann_bom = text != marked, data.startswith(BOM.encode())
    return Note(_parts(txt)[0], text, lines, bool(anns), bom, ann_bom, str(ann))


def parse_lines(
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


def report_faults(
    path: Path, faults: Sequence[tuple[int, str]], lenient: bool, changes: list[Change] | None
) -> None:
    """Collect the faulty lines. RAISES (CardionerError): There is one, and `lenient` is False."""
    for number, fault in faults:
        if not lenient:
            remedy = "Correct the file, or skip such lines with --lenient"
            raise CardionerError(f"{path}:{number}: {fault}. {remedy}.")
        note_change(changes, Change("malformed", str(path), number))


def _ann_line(text: CountedText, ids: set[str], number: int, raw: str, eol: str) -> Line:
    """Parse a line of an .ann file. `ids` collects its ids, which must be unique."""
    if not raw.strip():
        return Line(number, raw, eol)
    known = KNOWN_LINE.match(raw)
    if known is None:
        raise ValueError("does not start with a brat id (T1, A1, R1, #1, *, ...) and a tab")
    if known["id"] in ids:
        raise ValueError("an earlier line of this file has the same id")
    textbound = parse_textbound(raw, text) if raw.startswith("T") else None
    if known["id"] not in (None, "*"):
        ids.add(known["id"])
    return Line(number, raw, eol, textbound)


def parse_textbound(raw: str, text: CountedText) -> TextBound:
    """Parse a T line. RAISES (ValueError): It is malformed, or does not agree with the text."""
    id_, target, *rest = raw.split("\t", maxsplit=2)
    match = TARGET.fullmatch(target)
    if match is None or not rest:
        raise ValueError("a T line is: id, tab, label and offsets ('LABEL 0 5'), tab, mention")
    fragments = [parse_offsets(*pair.split(" ")) for pair in match["offsets"].split(";")]
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


def parse_offsets(start: str, end: str) -> Span:
    """Parse a start and an end. RAISES (ValueError): They are none."""
    if not NUMBER.fullmatch(start) or not NUMBER.fullmatch(end):
        raise ValueError("an offset is not a whole number")
    if int(start) >= int(end):
        raise ValueError(f"the end {int(end)} is not after the start {int(start)}")
    return int(start), int(end)


def _textbound(id_: str, text: str, entity: Entity) -> TextBound:
    start, end, label, mention = entity[:4]
    if not WORD.fullmatch(label):
        raise ValueError("the label is empty or contains white space")
    if not 0 <= start < end <= len(text) or text[start:end] != mention:
        raise ValueError(f"its mention is not the text from {start} to {end}")
    fragments = tuple(match.span() for match in UNBROKEN.finditer(text, start, end))
    if not fragments:
        raise ValueError("only white space")
    return TextBound(id_, label, fragments, one_line(mention))


def _attribute(target: str, name: str, value: bool | str) -> str:
    words = [name, target] if value is True else [name, target, str(value)]
    if not all(WORD.fullmatch(word) for word in words):
        raise ValueError("the name or value of an attribute is empty or contains white space")
    return " ".join(words)


def _reference(code: str) -> str:
    """A code with its vocabulary, as one word: "ATC:C03CA01", "HP:0001645"."""
    code = "_".join(code.split())
    vocabulary = vocabulary_of(code)
    return code if vocabulary and ":" in code else f"{vocabulary or 'KB'}:{code}"


def one_line(mention: str) -> str:
    """A mention without tabs and line ends."""
    return " ".join(UNBROKEN.findall(mention))
