"""Read and write the TSV of MultiCardioNER, and read those of its family."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from spacy_cardioner.brat.notes import Change, Line, Note, note_change
from spacy_cardioner.brat.offsets import CountedText
from spacy_cardioner.brat.standoff import (
    WORD,
    note_labels,
    one_line,
    parse_lines,
    parse_offsets,
    parse_textbound,
    read_folder,
    report_faults,
)
from spacy_cardioner.errors import CardionerError, reason, shown
from spacy_cardioner.files import write_texts
from spacy_cardioner.spans import Entity, in_order

TSV_HEADER = ("filename", "label", "start_span", "end_span", "text")
# Names that these columns have in DisTEMIST. Other columns are ignored.
COLUMNS = {"off0": "start_span", "off1": "end_span", "span": "text"}

Row = tuple[int, str, Entity]


def read_tsv(
    path: Path,
    *,
    repeated: bool = False,
    lenient: bool = False,
    changes: list[Change] | None = None,
) -> dict[str, list[Entity]]:
    """Read a TSV of the task: filename, label, start_span, end_span, text, without quoting.

    The columns may be named as in DisTEMIST, and there may be others between them.
    The text of an entity is the one in the table, which has spaces for line ends and tabs.

    repeated (bool): Keep an entity each time that it occurs. Default: the first of those with the
        same label and offsets.
    RETURNS (dict[str, list[Entity]]): By note that has entities, sorted by start, end and label.
    RAISES (CardionerError): The file cannot be read, has another header, or a row is malformed.
    """
    parsed, faults = _parse(path)
    report_faults(path, faults, lenient, changes)
    found: dict[str, list[Entity]] = {}
    seen: set[tuple[str, int, int, str]] = set()
    for _, name, entity in parsed:
        if repeated or (name, *entity[:3]) not in seen:
            found.setdefault(name, []).append(entity)
        else:
            note_change(
                changes, Change("duplicate", name, 0, entity.label, entity.start, entity.end)
            )
        seen.add((name, *entity[:3]))
    return {name: sorted(of_note, key=in_order) for name, of_note in found.items()}


def read_table(
    folder: Path, table: Path, *, lenient: bool = False, changes: list[Change] | None = None
) -> Iterator[Note]:
    """Read the texts of a folder with the annotations of a TSV: a row is a T line of its note.

    YIELDS (Note): All notes of the folder, sorted by name. They all count as annotated.
    RAISES (CardionerError): See `read_folder` and `read_tsv`; a row does not agree with the text,
        or the folder lacks its note.
    """
    parsed, faults = _parse(table)
    rows: dict[str, list[tuple[int, Entity]]] = {}
    for number, name, entity in parsed:
        rows.setdefault(name, []).append((number, entity))
    for note in read_folder(folder, lenient=lenient, changes=changes):
        text, lines = CountedText(note.text), []
        for number, (start, end, label, mention, *_) in rows.pop(note.name, ()):
            raw = f"T{number}\t{label} {start} {end}\t{mention}"
            try:
                lines.append(Line(number, raw, "\n", parse_textbound(raw, text)))
            except ValueError as error:
                faults.append((number, str(error)))
        report_faults(table, faults, lenient, changes)
        faults.clear()
        yield replace(note, lines=lines, annotated=True, file=str(table))
    strange = f"{folder} does not have this note"
    others = [(number, strange) for of_note in rows.values() for number, _ in of_note]
    report_faults(table, sorted(others), lenient, changes)


def count_labels(annotations: Path, has: Callable[[str], bool] = bool) -> Counter[str]:
    """How often each label occurs in a folder of ``.ann`` files or in a TSV, also in bad lines.

    has (Callable[[str], bool]): Whether to count a note of this name. Default: all.
    RAISES (CardionerError): A file cannot be read.
    """
    if annotations.is_dir():
        return note_labels(annotations, has)
    return Counter(entity.label for _, name, entity in _parse(annotations)[0] if has(name))


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
            rows.append(f"{name}\t{label}\t{start}\t{end}\t{one_line(text)}")
    write_texts({path: "".join(f"{row}\n" for row in rows)})


def _parse(path: Path) -> tuple[list[Row], list[tuple[int, str]]]:
    """Parse a TSV. RETURNS: The number, note and entity of its good rows; the faults."""
    try:
        header, _, rows = path.read_bytes().partition(b"\n")
    except (OSError, ValueError) as error:
        raise CardionerError(f"{path}: cannot be read ({reason(error)}).") from error
    given = header.decode("utf-8-sig", "replace").rstrip("\r").split("\t")
    columns = [COLUMNS.get(name, name) for name in given]
    if any(columns.count(name) != 1 for name in TSV_HEADER):
        named = ", ".join(TSV_HEADER)
        raise CardionerError(f"{path}:1: the header must be {named}, separated by tabs.")
    order = [columns.index(name) for name in TSV_HEADER]
    return parse_lines(rows, partial(_tsv_row, order, len(columns)), first=2)


def _tsv_row(order: Sequence[int], width: int, number: int, raw: str, eol: str) -> Row:
    columns = raw.split("\t", maxsplit=width - 1)
    if len(columns) < width:
        raise ValueError(f"{len(columns)} columns instead of {width}")
    name, label, start, end, text = (columns[place] for place in order)
    if not name or not WORD.fullmatch(label):
        raise ValueError("the file name or the label is empty, or the label contains white space")
    return number, name, Entity(*parse_offsets(start, end), label, text)
