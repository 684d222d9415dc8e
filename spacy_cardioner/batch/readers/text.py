"""Notes from text files and from standard input.

Every character of the input is kept, line ends included; only a byte order mark is removed. Offsets
count the code points of the decoded input.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

from spacy_cardioner.batch.readers.base import (
    MAX_CHARACTERS,
    FileSource,
    Source,
    SourceNote,
    checked,
    not_again,
)
from spacy_cardioner.batch.readers.find import note_name
from spacy_cardioner.errors import plain
from spacy_cardioner.texts import BROKEN, MARK, damage, decompressed, open_bytes


class TextFiles(FileSource):
    """Text files in UTF-8, one note each. Its id is the path in the folder without ``.txt``.

    max_characters (int): Most characters of a note.
    """

    def __init__(
        self, name: str, folder: Path, names: Sequence[str], max_characters: int = MAX_CHARACTERS
    ) -> None:
        super().__init__(name, folder, names)
        self.counts = [1] * len(names)
        self.total = len(names)
        self.max_characters = max_characters

    def stem(self, file: str) -> str:
        """The id of the note."""
        return note_name(file)

    def notes_of(self, file: str, path: Path) -> Iterator[SourceNote]:
        """The note."""
        try:
            with open_bytes(path) as stream:
                data = _read(stream, self.max_characters)
        except BROKEN as error:
            yield SourceNote(plain(note_name(file)), "", _damaged(error), plain(file))
        else:
            yield decoded(note_name(file), plain(file), data, self.max_characters)


class TextStream(Source):
    """One note from standard input or from a pipe, which can be read only once.

    path (Path | None): None is standard input.
    """

    total = 1

    def __init__(self, name: str, path: Path | None, max_characters: int = MAX_CHARACTERS) -> None:
        super().__init__(name)
        self.path = path
        self.max_characters = max_characters

    def after(self, count: int) -> Iterator[SourceNote]:
        """The note, unless it is to be skipped."""
        if count:
            return
        note_id, place = "stdin", "standard input"
        if self.path:
            note_id, place = note_name(self.path.name), plain(self.name)
        try:
            with self.path.open("rb") if self.path else nullcontext(sys.stdin.buffer) as stream:
                data = _read(stream, self.max_characters)
        except BROKEN as error:
            yield SourceNote(note_id, "", _damaged(error), place)
        else:
            yield decoded(note_id, place, data, self.max_characters)

    def describe(self) -> dict[str, Any]:
        """It cannot be identified. RAISES (CardionerError): Always."""
        raise not_again(self.name)


def note_of(note_id: object, value: object, max_characters: int = MAX_CHARACTERS) -> SourceNote:
    """Make a note of values of a table: a text, or the bytes of the file `note_id`."""
    if not isinstance(note_id, str) or not isinstance(value, (bytes, bytearray)):
        return checked(note_id, value, "", "")
    try:
        data = decompressed(note_id, bytes(value), _limit(max_characters))
    except BROKEN as error:
        return SourceNote(note_name(note_id), "", _damaged(error), plain(note_id))
    return decoded(note_name(note_id), plain(note_id), data, max_characters)


def decoded(note_id: str, place: str, data: bytes, max_characters: int) -> SourceNote:
    """Make a note of the bytes of a file."""
    instead = plain(note_id)
    if len(data) == _limit(max_characters):
        return SourceNote(instead, "", too_long(max_characters), place)
    try:
        text = data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        fault = f"not UTF-8 from byte {error.start} on; convert it, for instance with iconv"
        return SourceNote(instead, "", fault, place)
    return checked(note_id, text, place, instead)


def too_long(max_characters: int) -> str:
    """The fault of a note that is not read to its end."""
    return f"longer than {max_characters} characters (--max-characters)"


def _limit(max_characters: int) -> int:
    """The bytes of a file that must be too long: a mark, and at most 4 bytes for a character."""
    return len(MARK) + 4 * max_characters + 1


def _read(stream: IO[bytes], max_characters: int) -> bytes:
    return stream.read(_limit(max_characters))


def _damaged(error: BaseException) -> str:
    return f"cannot be read: {damage(error)}"
