"""Read and write the TSV of MultiCardioNER."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from spacy_cardioner.brat.notes import Change, note_change
from spacy_cardioner.brat.standoff import (
    WORD,
    one_line,
    parse_lines,
    parse_offsets,
    report_faults,
)
from spacy_cardioner.errors import CardionerError, reason, shown
from spacy_cardioner.files import write_texts
from spacy_cardioner.spans import Entity, in_order

TSV_HEADER = ("filename", "label", "start_span", "end_span", "text")


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
    parsed, faults = parse_lines(rows, _tsv_row, first=2)
    report_faults(path, faults, lenient, changes)
    found: dict[str, list[Entity]] = {}
    seen: set[tuple[str, int, int, str]] = set()
    for name, entity in parsed:
        if repeated or (name, *entity[:3]) not in seen:
            found.setdefault(name, []).append(entity)
        else:
            note_change(
                changes, Change("duplicate", name, 0, entity.label, entity.start, entity.end)
            )
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
            rows.append(f"{name}\t{label}\t{start}\t{end}\t{one_line(text)}")
    write_texts({path: "".join(f"{row}\n" for row in rows)})


def _tsv_row(number: int, raw: str, eol: str) -> tuple[str, Entity]:
    columns = raw.split("\t", maxsplit=4)
    if len(columns) < 5:
        raise ValueError(f"{len(columns)} columns instead of 5")
    name, label, start, end, text = columns
    if not name or not WORD.fullmatch(label):
        raise ValueError("the file name or the label is empty, or the label contains white space")
    return name, Entity(*parse_offsets(start, end), label, text)
