"""Standoff files of the brat annotation tool, and the TSV of MultiCardioNER and its family.

All readers take `lenient`, to skip malformed input instead of raising, and `changes`, a list that
collects what was skipped or changed.
"""

from __future__ import annotations

from spacy_cardioner.brat.notes import (
    NOT_LEARNED,
    Change,
    Discontinuous,
    Line,
    Note,
    TextBound,
    check_labels,
    entities,
    located,
)
from spacy_cardioner.brat.standoff import (
    TXT,
    note_files,
    note_from_entities,
    note_names,
    read_folder,
    read_note,
    write_note,
)
from spacy_cardioner.brat.table import TSV_HEADER, count_labels, read_table, read_tsv, write_tsv

__all__ = [
    "NOT_LEARNED",
    "TSV_HEADER",
    "TXT",
    "Change",
    "Discontinuous",
    "Line",
    "Note",
    "TextBound",
    "check_labels",
    "count_labels",
    "entities",
    "located",
    "note_files",
    "note_from_entities",
    "note_names",
    "read_folder",
    "read_note",
    "read_table",
    "read_tsv",
    "write_note",
    "write_tsv",
]
