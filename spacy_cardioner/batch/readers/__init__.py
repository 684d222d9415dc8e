"""Readers of notes: text files, tables, Parquet, databases, standard input."""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from spacy_cardioner.batch.readers.base import Source
from spacy_cardioner.batch.readers.columns import GUESSED, Wanted
from spacy_cardioner.batch.readers.find import find
from spacy_cardioner.batch.readers.foreign import AS_TEXT, foreign_by_name
from spacy_cardioner.batch.readers.note import MAX_CHARACTERS, SourceNote
from spacy_cardioner.batch.readers.parquet import ParquetFiles
from spacy_cardioner.batch.readers.sql import SqlTable
from spacy_cardioner.batch.readers.tables import Delimited, JsonLines
from spacy_cardioner.batch.readers.text import Reading, TextFiles, TextStream
from spacy_cardioner.errors import CardionerError, masked, plain
from spacy_cardioner.texts import UTF_8, encoding_name, without_compression

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
    keep: Sequence[str] = (),
    table: str = "note",
    recursive: bool = False,
    encoding: str = UTF_8,
    max_characters: int = MAX_CHARACTERS,
) -> Source:
    """Open an input.

    name (str): A file, a folder, a pattern (``notes/**/*.txt``), the address of a database, or
        ``-`` for standard input. A pipe is opened once.
    kind (InputFormat | None): Its format. Default: by its name, or by the files in the folder.
    text, note_id (str | None): Columns of a table. Default: guessed by name.
    keep (Sequence[str]): Its columns that the outputs have too.
    encoding (str): Of text files, CSV and TSV.
    max_characters (int): Most characters of a note. Files are read no further than they need to be.
    RAISES (CardionerError): There is nothing to read, or it cannot be read; it is no text; or it
        has no columns or encoding that could be chosen.
    """
    wanted = Wanted(text, note_id, tuple(dict.fromkeys(keep)))
    encoding = encoding_name(encoding)
    if kind is None and "://" in name:
        kind = InputFormat.sql
    if kind is InputFormat.sql:
        _check_options(name, kind, wanted, encoding)
        return SqlTable(name, table, wanted)
    reading = Reading(max_characters, encoding, kind is InputFormat.text)
    if name == "-" and kind in (None, InputFormat.text):
        _check_options("standard input", InputFormat.text, wanted, encoding)
        return TextStream(name, None, reading)
    if name == "-":
        name = "/dev/stdin"
    pipe = os.path.exists(name) and not (os.path.isfile(name) or os.path.isdir(name))
    folder, found = find(name, recursive)
    kind, files = _of_one_kind(name, found, kind, chosen=not os.path.isdir(name))
    _check_options(name, kind, wanted, encoding)
    if name.startswith("/dev/"):  # names like 63 say nothing
        folder, files = Path(), [name]
    if kind is InputFormat.text:
        if pipe:
            return TextStream(name, Path(name), reading)
        return TextFiles(name, folder, files, reading)
    if kind is InputFormat.parquet:
        if pipe:
            raise CardionerError(f"{name}: Parquet cannot be read from a pipe; save it in a file")
        return ParquetFiles(name, folder, files, wanted)
    table_files = JsonLines if kind is InputFormat.jsonl else Delimited
    return table_files(name, folder, files, wanted, max_characters, encoding, pipe=pipe)


def _check_options(name: str, kind: InputFormat, wanted: Wanted, encoding: str) -> None:
    """Check that the input has what the user chooses. RAISES (CardionerError): It does not."""
    if kind is InputFormat.text and wanted != GUESSED:
        raise CardionerError(
            f"{name}: text has no columns (--text-column, --id-column, --keep); --input-format "
            "says what it is if it is a table"
        )
    if kind not in (InputFormat.text, InputFormat.csv) and encoding != UTF_8:
        raise CardionerError(
            f"{masked(name)}: --encoding is for text, CSV and TSV; JSONL is in UTF-8: convert it, "
            "for instance with iconv -f CP1252 -t UTF-8"
        )


def _of_one_kind(
    name: str, files: Sequence[str], kind: InputFormat | None, *, chosen: bool
) -> tuple[InputFormat, list[str]]:
    """Choose the format, and its files. If the user chose the files, unknown formats are text.

    RAISES (CardionerError): There are none, or they are known to be no text.
    """
    if kind and chosen:
        return kind, list(files)
    kinds = [kind] if kind else list(ENDINGS)
    for wanted in kinds:
        found = [file for file in files if _is(wanted, file)]
        if found:
            return wanted, found
    faults = (f"{plain(file)}: {fault}" for file in files if (fault := foreign_by_name(file)))
    foreign = next(faults, "")
    if chosen and not foreign:
        return InputFormat.text, list(files)
    if chosen:
        raise CardionerError(foreign + AS_TEXT)
    endings = [end for wanted in kinds for end in ENDINGS[wanted]]
    raise CardionerError(
        f"{name}: no {', '.join(endings)} file in this folder; --recursive reads its subfolders",
        *filter(None, [foreign]),
    )


def kind_of(name: str) -> InputFormat | None:
    """The format of a file by its name, if the name tells it."""
    return next((kind for kind in ENDINGS if _is(kind, name)), None)


def _is(kind: InputFormat, file: str) -> bool:
    """Whether a file has a format. Names like _SUCCESS and _errors.jsonl are never tables."""
    name = without_compression(os.path.basename(file))
    table = kind is not InputFormat.text
    return name.lower().endswith(ENDINGS[kind]) and not (table and name.startswith("_"))
