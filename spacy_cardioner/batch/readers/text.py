"""Notes from text files and from standard input.

Every character of the input is kept, line ends included; only a byte order mark is removed. Offsets
count the code points of the decoded input.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from spacy_cardioner.batch.readers.base import (
    BROKEN,
    EMPTY,
    Source,
    SourceNote,
    checked,
    decompressed,
    without_compression,
)


class TextFiles(Source):
    """Text files in UTF-8, one note each. Its id is the path in the folder without ``.txt``."""

    def __init__(self, name: str, folder: Path, files: Sequence[str]) -> None:
        super().__init__(name, [folder / file for file in files])
        self.names = files
        self.total = len(files)

    def after(self, count: int) -> Iterator[SourceNote]:
        """The notes after the first `count`."""
        return map(_read, self.names[count:], self.files[count:])


class StandardInput(Source):
    """One note from standard input, with the id ``stdin``."""

    total = 1

    def after(self, count: int) -> Iterator[SourceNote]:
        """The note, unless it is to be skipped."""
        if not count:
            yield decoded("stdin", "standard input", sys.stdin.buffer.read())


def note_name(file: str) -> str:
    """The id of the note in a file."""
    return without_compression(file).removesuffix(".txt")


def note_of(note_id: str | None, value: object) -> SourceNote:
    """Make a note of a value of a table: a text, or the bytes of the file `note_id`."""
    if note_id is None:
        return SourceNote("", "", "no id")
    if isinstance(value, (bytes, bytearray)):
        return note_of_file(note_id, bytes(value))
    return checked(note_id, value)


def note_of_file(file: str, data: bytes) -> SourceNote:
    """Make a note of the bytes of a text file, which may be compressed."""
    shown = f"the file {ascii(file)[1:-1]}"
    try:
        return decoded(note_name(file), shown, decompressed(file, data))
    except BROKEN:
        return SourceNote(note_name(file), "", f"{shown} cannot be read: damaged")


def decoded(note_id: str, shown: str, data: bytes) -> SourceNote:
    """Make a note of bytes, whose source is called `shown` in messages."""
    try:
        note = checked(note_id, data.decode().removeprefix("\ufeff"))
    except UnicodeDecodeError as error:
        where = f"not UTF-8 from byte {error.start} on; convert it, for instance with iconv"
        return SourceNote(note_id, "", f"{shown} is {where}")
    return note if note.fault in ("", EMPTY) else note._replace(fault=f"{shown} is {note.fault}")


def _read(file: str, path: Path) -> SourceNote:
    shown = ascii(file)[1:-1]
    try:
        file.encode()
        data = path.read_bytes()
    except UnicodeEncodeError:
        return SourceNote(shown, "", "the file's name is not UTF-8; rename it")
    except OSError as error:
        why = error.strerror or "damaged"
        return SourceNote(note_name(file), "", f"the file {shown} cannot be read: {why}")
    return note_of_file(file, data)
