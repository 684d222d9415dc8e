"""Readers of notes: text files, tables, Parquet, databases, standard input."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path

from spacy_cardioner.batch.readers.base import Source, SourceNote, without_compression
from spacy_cardioner.batch.readers.parquet import ParquetFiles
from spacy_cardioner.batch.readers.sql import SqlTable
from spacy_cardioner.batch.readers.tables import Delimited, JsonLines
from spacy_cardioner.batch.readers.text import StandardInput, TextFiles, note_name
from spacy_cardioner.errors import CardionerError

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
) -> Source:
    """Open an input.

    name (str): A file, a folder, a pattern (``notes/**/*.txt``), the address of a database, or
        ``-`` for standard input.
    kind (InputFormat | None): Its format. Default: by its name, or by the files in the folder.
    text, note_id (str | None): Columns of a table. Default: guessed by name.
    RAISES (CardionerError): There is nothing to read, or it cannot be read.
    """
    if name == "-":
        return StandardInput("-")
    if kind is InputFormat.sql or (kind is None and "://" in name):
        return SqlTable(name, table, text, note_id)
    folder, files = _find(name, recursive)
    kind, files = _of_one_kind(name, files, kind, chosen=not Path(name).is_dir())
    paths = [folder / file for file in files]
    if kind is InputFormat.parquet:
        return ParquetFiles(name, folder, paths, text, note_id)
    if kind is InputFormat.text:
        return TextFiles(name, folder, files)
    table_files = JsonLines if kind is InputFormat.jsonl else Delimited
    return table_files(name, paths, text, note_id)


def _find(name: str, recursive: bool) -> tuple[Path, list[str]]:
    """Find a folder, and the paths of the named files in it."""
    path = Path(name)
    if path.is_dir():
        return path, sorted(_files(name, "", recursive), key=note_name)
    if path.exists():
        return path.parent, [path.name]
    if not glob.has_magic(name):
        raise CardionerError(f"{name}: no such file or folder")
    folder = os.path.dirname(re.split(r"[*?\[]", name)[0]) or "."
    found = filter(os.path.isfile, glob.iglob(name, recursive=True))
    files = sorted((os.path.relpath(file, folder) for file in found), key=note_name)
    if not files:
        raise CardionerError(f"{name}: no file matches this pattern")
    return Path(folder), files


def _files(folder: str, within: str, recursive: bool) -> Iterator[str]:
    """List the files of a folder and of its partitions, without hidden files."""
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
