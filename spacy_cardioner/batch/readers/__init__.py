"""Readers of notes: text files, tables, Parquet, databases, standard input."""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from spacy_cardioner.batch.readers.base import MAX_CHARACTERS, Source, SourceNote
from spacy_cardioner.batch.readers.find import find
from spacy_cardioner.batch.readers.parquet import ParquetFiles
from spacy_cardioner.batch.readers.sql import SqlTable
from spacy_cardioner.batch.readers.tables import Delimited, JsonLines
from spacy_cardioner.batch.readers.text import TextFiles, TextStream
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.texts import without_compression

__all__ = ["InputFormat", "Source", "SourceNote", "kind_of", "open_source"]


class InputFormat(str, Enum):
    """Formats of an input."""

    text = "text"
    jsonl = "jsonl"
    csv = "csv"
    parquet = "parquet"
    sql = "sql"


# File name endings, in the order in which they are looked for in a folder.
ENDINGS = {
    InputFormat.text: (".txt",),
    InputFormat.parquet: (".parquet",),
    InputFormat.jsonl: (".jsonl", ".ndjson"),
    InputFormat.csv: (".csv", ".tsv"),
}


def open_source(
    name: str,
    kind: InputFormat | None = None,
    text: str | None = None,
    note_id: str | None = None,
    *,
    table: str = "note",
    recursive: bool = False,
    max_characters: int = MAX_CHARACTERS,
) -> Source:
    """Open an input.

    name (str): A file, a folder, a pattern (``notes/**/*.txt``), the address of a database, or
        ``-`` for standard input. A pipe is opened once.
    kind (InputFormat | None): Its format. Default: by its name, or by the files in the folder.
    text, note_id (str | None): Columns of a table. Default: guessed by name.
    max_characters (int): Most characters of a note. Files are read no further than they need to be.
    RAISES (CardionerError): There is nothing to read, or it cannot be read.
    """
    if kind is InputFormat.sql or (kind is None and "://" in name):
        return SqlTable(name, table, text, note_id)
    if name == "-" and kind in (None, InputFormat.text):
        return TextStream(name, None, max_characters)
    if name == "-":
        name = "/dev/stdin"
    pipe = os.path.exists(name) and not (os.path.isfile(name) or os.path.isdir(name))
    folder, found = find(name, recursive)
    kind, files = _of_one_kind(name, found, kind, chosen=not os.path.isdir(name))
    if name.startswith("/dev/"):  # names like 63 say nothing
        folder, files = Path(), [name]
    if kind is InputFormat.text:
        if pipe:
            return TextStream(name, Path(name), max_characters)
        return TextFiles(name, folder, files, max_characters)
    if kind is InputFormat.parquet:
        if pipe:
            raise CardionerError(f"{name}: Parquet cannot be read from a pipe; save it in a file")
        return ParquetFiles(name, folder, files, text, note_id)
    table_files = JsonLines if kind is InputFormat.jsonl else Delimited
    return table_files(name, folder, files, text, note_id, max_characters, pipe=pipe)


def _of_one_kind(
    name: str, files: Sequence[str], kind: InputFormat | None, *, chosen: bool
) -> tuple[InputFormat, list[str]]:
    """Choose the format, and its files. If the user chose the files, unknown formats are text."""
    if kind and chosen:
        return kind, list(files)
    kinds = [kind] if kind else list(ENDINGS)
    for wanted in kinds:
        found = [file for file in files if _is(wanted, file)]
        if found:
            return wanted, found
    if chosen:
        return InputFormat.text, list(files)
    endings = [end for wanted in kinds for end in ENDINGS[wanted]]
    raise CardionerError(
        f"{name}: no {', '.join(endings)} file in this folder; --recursive reads its subfolders"
    )


def kind_of(name: str) -> InputFormat | None:
    """The format of a file by its name, if the name tells it."""
    return next((kind for kind in ENDINGS if _is(kind, name)), None)


def _is(kind: InputFormat, file: str) -> bool:
    """Whether a file has a format. Names like _SUCCESS and _errors.jsonl are never tables."""
    name = without_compression(os.path.basename(file))
    table = kind is not InputFormat.text
    return name.lower().endswith(ENDINGS[kind]) and not (table and name.startswith("_"))
