"""Where notes come from: text files, tables, Parquet, databases, standard input.

`open_source` finds out what an input is, and gives its notes one at a time.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path

from spacy_cardioner.batch.readers.base import (
    Source,
    SourceNote,
    without_compression,
)
from spacy_cardioner.batch.readers.parquet import ParquetFiles
from spacy_cardioner.batch.readers.sql import SqlTable
from spacy_cardioner.batch.readers.tables import Delimited, JsonLines
from spacy_cardioner.batch.readers.text import StandardInput, TextFiles, note_name
from spacy_cardioner.errors import CardionerError

__all__ = ["InputFormat", "Source", "SourceNote", "open_source"]


class InputFormat(str, Enum):
    """What an input can be."""

    text = "text"
    jsonl = "jsonl"
    csv = "csv"
    parquet = "parquet"
    sql = "sql"


# What the endings of files say, in the order in which a folder is looked through.
ENDINGS = {
    InputFormat.text: (".txt",),
    InputFormat.parquet: (".parquet",),
    InputFormat.jsonl: (".jsonl", ".ndjson"),
    InputFormat.csv: (".csv", ".tsv"),
}


def open_source(
    name: str,
    *,
    kind: InputFormat | None = None,
    recursive: bool = False,
    text: str | None = None,
    note_id: str | None = None,
    table: str = "note",
) -> Source:
    """Open what a person named.

    name (str): A file, a folder, a pattern (``notes/**/*.txt``), the address of a database, or
        ``-`` for standard input.
    kind (InputFormat | None): What it is; None to tell by the name, and by what a folder holds.
    recursive (bool): Read the folders within a folder too.
    text, note_id (str | None): The columns of a table; None to guess them.
    table (str): The table of a database.
    RAISES (CardionerError): There is nothing to read there, or it cannot be read.
    """
    if name == "-":
        return StandardInput()
    if kind is InputFormat.sql or (kind is None and "://" in name):
        return SqlTable(name, table=table, text=text, note_id=note_id)
    folder, files = _find(name, recursive)
    kind, files = _of_one_kind(name, files, kind, chosen=not Path(name).is_dir())
    paths = [folder / file for file in files]
    if kind is InputFormat.parquet:
        return ParquetFiles(name, folder, paths, text=text, note_id=note_id)
    if kind is InputFormat.jsonl:
        return JsonLines(name, paths, text=text, note_id=note_id)
    if kind is InputFormat.csv:
        return Delimited(name, paths, text=text, note_id=note_id)
    return TextFiles(name, folder, files)


def _find(name: str, recursive: bool) -> tuple[Path, list[str]]:
    """The folder that was named, and the files in it by their paths there."""
    path = Path(name)
    if path.is_dir():
        return path, sorted(_files(name, "", recursive), key=note_name)
    if path.exists():
        return path.parent, [path.name]
    if not glob.has_magic(name):
        raise CardionerError(f"{name}: no such file or folder")
    fixed = name[: next(i for i, char in enumerate(name) if char in "*?[")]
    folder = os.path.dirname(fixed) or "."
    found = (file for file in glob.iglob(name, recursive=True) if os.path.isfile(file))
    files = sorted((os.path.relpath(file, folder) for file in found), key=note_name)
    if not files:
        raise CardionerError(f"{name}: no file has such a name")
    return Path(folder), files


def _files(folder: str, within: str, recursive: bool) -> Iterator[str]:
    """The files of a folder. Hidden ones are what a file manager or a broken copy left behind.

    Folders of partitions are looked into in any case.
    """
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if name.startswith("."):
            continue
        if os.path.isfile(path):
            yield within + name
        elif (recursive or "=" in name) and os.path.isdir(path):
            yield from _files(path, f"{within}{name}/", recursive)


def _of_one_kind(
    name: str, files: Sequence[str], kind: InputFormat | None, *, chosen: bool
) -> tuple[InputFormat, list[str]]:
    """What the files are, and those that are it.

    chosen (bool): They were named, by a pattern perhaps: what has no known ending is text.
    """
    if kind and chosen:
        return kind, list(files)
    for wanted in [kind] if kind else ENDINGS:
        found = [file for file in files if _is(wanted, file)]
        if found:
            return wanted, found
    if chosen:
        return InputFormat.text, list(files)
    endings = [end for wanted in ([kind] if kind else ENDINGS) for end in ENDINGS[wanted]]
    raise CardionerError(
        f"{name}: no {', '.join(endings)} file in this folder; "
        "folders within it are read with --recursive"
    )


def kind_of(name: str) -> InputFormat | None:
    """What the ending of a name says."""
    return next((kind for kind in ENDINGS if _is(kind, name)), None)


def _is(kind: InputFormat, file: str) -> bool:
    """By its ending. Tables' folders hold other files with an underscore: _SUCCESS, _errors."""
    name = without_compression(os.path.basename(file))
    table = kind is not InputFormat.text
    return name.lower().endswith(ENDINGS[kind]) and not (table and name.startswith("_"))
