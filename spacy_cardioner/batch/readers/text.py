"""Notes from text files, and from standard input: a file a note.

Every character of the input is a character of the note: line ends stay as they are, and only a
byte order mark is removed. Offsets therefore count the code points of the decoded input.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from spacy_cardioner.batch.readers.base import (
    BROKEN,
    EMPTY,
    Source,
    SourceNote,
    checked,
    describe_files,
    open_bytes,
    without_compression,
)


class TextFiles(Source):
    """Text files in UTF-8, one note each, as in a BRAT folder (whose ``.ann`` are not read).

    name (str): What the person called it.
    folder (Path): Where the files lie.
    files (Sequence[str]): Their paths in the folder, in the order of the notes. A note's id is the
        path without ``.txt``.
    """

    def __init__(self, name: str, folder: Path, files: Sequence[str]) -> None:
        self.name = name
        self.folder = folder
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[SourceNote]:
        return self.after(0)

    def after(self, count: int) -> Iterator[SourceNote]:
        """The notes after the first `count`."""
        for index in range(count, len(self.files)):
            yield self._read(self.files[index])

    def describe(self) -> dict[str, Any]:
        """What it is, to know it again."""
        return describe_files(self.name, self.paths())

    def paths(self) -> Iterator[Path]:
        """The files that are read."""
        return (self.folder / file for file in self.files)

    def _read(self, file: str) -> SourceNote:
        shown = ascii(file)[1:-1]
        try:
            file.encode()
            with open_bytes(self.folder / file) as stream:
                data = stream.read()
        except UnicodeEncodeError:
            return SourceNote(shown, "", "the file's name is not UTF-8; rename it")
        except BROKEN as error:
            why = getattr(error, "strerror", None) or "damaged"
            return SourceNote(note_name(file), "", f"the file {shown} cannot be read: {why}")
        return decoded(note_name(file), f"the file {shown}", data)


class StandardInput(Source):
    """One note from standard input, with the id ``stdin``."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[SourceNote]:
        yield decoded("stdin", "standard input", sys.stdin.buffer.read())

    def describe(self) -> dict[str, Any]:
        """What it is, to know it again."""
        return {"input": "-"}


def note_name(file: str) -> str:
    """The id of the note in a file."""
    return without_compression(file).removesuffix(".txt")


def decoded(note_id: str, shown: str, data: bytes) -> SourceNote:
    """A note of the bytes of a text file, which messages call `shown`."""
    try:
        note = checked(note_id, data.decode().removeprefix("\ufeff"))
    except UnicodeDecodeError as error:
        where = f"not UTF-8 from byte {error.start} on; convert it, for instance with iconv"
        return SourceNote(note_id, "", f"{shown} is {where}")
    if note.fault in ("", EMPTY):
        return note
    return note._replace(fault=f"{shown} is {note.fault}")
