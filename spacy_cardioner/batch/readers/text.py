"""Notes from text files and from standard input.

Every character of the input is kept, line ends included; only a byte order mark is removed. Offsets
count the code points of the decoded input.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from spacy_cardioner.batch.readers.base import FileSource, Source, not_again
from spacy_cardioner.batch.readers.find import note_name
from spacy_cardioner.batch.readers.foreign import AS_TEXT, foreign_bytes, foreign_text
from spacy_cardioner.batch.readers.note import MAX_CHARACTERS, SourceNote, checked
from spacy_cardioner.errors import plain
from spacy_cardioner.texts import BROKEN, MARK, UTF_8, damage, decompressed, misfit, open_bytes


class Reading(NamedTuple):
    """How the bytes of a file become a note.

    max_characters (int): Most characters of a note.
    is_text (bool): The user says that it is text, whatever it looks like.
    """

    max_characters: int = MAX_CHARACTERS
    encoding: str = UTF_8
    is_text: bool = False

    @property
    def longest(self) -> int:
        """The bytes of a file that must be too long: a mark, and at most 4 for a character."""
        return len(MARK) + 4 * self.max_characters + 1


UNKNOWN = Reading()


class TextFiles(FileSource):
    """Text files, one note each. Its id is the path in the folder without ``.txt``.

    reading (Reading): How the files become notes.
    """

    def __init__(
        self, name: str, folder: Path, names: Sequence[str], reading: Reading = UNKNOWN
    ) -> None:
        super().__init__(name, folder, names)
        self.counts = [1] * len(names)
        self.total = len(names)
        self.reading = reading
        self.encoding = reading.encoding

    def stem(self, file: str) -> str:
        """The id of the note."""
        return note_name(file)

    def notes_of(self, file: str, path: Path) -> Iterator[SourceNote]:
        """The note."""
        try:
            with open_bytes(path) as stream:
                data = stream.read(self.reading.longest)
        except BROKEN as error:
            yield SourceNote(plain(note_name(file)), "", _damaged(error), plain(file))
        else:
            yield decoded(note_name(file), plain(file), data, self.reading)


class TextStream(Source):
    """One note from standard input or from a pipe, which can be read only once.

    path (Path | None): None is standard input.
    """

    total = 1

    def __init__(self, name: str, path: Path | None, reading: Reading = UNKNOWN) -> None:
        super().__init__(name)
        self.path = path
        self.reading = reading

    def after(self, count: int) -> Iterator[SourceNote]:
        """The note, unless it is to be skipped."""
        if count:
            return
        note_id, place = "stdin", "standard input"
        if self.path:
            note_id, place = note_name(self.path.name), plain(self.name)
        try:
            with self.path.open("rb") if self.path else nullcontext(sys.stdin.buffer) as stream:
                data = stream.read(self.reading.longest)
        except BROKEN as error:
            yield SourceNote(note_id, "", _damaged(error), place)
        else:
            yield decoded(note_id, place, data, self.reading)

    def describe(self) -> dict[str, Any]:
        """It cannot be identified. RAISES (CardionerError): Always."""
        raise not_again(self.name)


def note_of(
    note_id: object, value: object, reading: Reading = UNKNOWN, kept: Sequence[object] = ()
) -> SourceNote:
    """Make a note of values of a table: a text, or the bytes of the file `note_id`."""
    if not isinstance(note_id, str) or not isinstance(value, (bytes, bytearray)):
        return checked(note_id, value, "", "", kept)
    try:
        data = decompressed(note_id, bytes(value), reading.longest)
    except BROKEN as error:
        return SourceNote(note_name(note_id), "", _damaged(error), plain(note_id))
    return decoded(note_name(note_id), plain(note_id), data, reading)


def decoded(note_id: str, place: str, data: bytes, reading: Reading) -> SourceNote:
    """Make a note of the bytes of a file."""
    instead = plain(note_id)
    if len(data) == reading.longest:
        return SourceNote(instead, "", too_long(reading.max_characters), place)
    if not reading.is_text and (fault := foreign_bytes(data)):
        return SourceNote(instead, "", fault + AS_TEXT, place)
    try:
        text = data.decode(reading.encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        fault = misfit(reading.encoding, f"not {{}} from byte {error.start} on")
        return SourceNote(instead, "", fault, place)
    if not reading.is_text and (fault := foreign_text(text)):
        return SourceNote(instead, "", fault + AS_TEXT, place)
    return checked(note_id, text, place, instead, encoding=reading.encoding)


def too_long(max_characters: int) -> str:
    """The fault of a note that is not read to its end."""
    return f"longer than {max_characters} characters (--max-characters)"


def _damaged(error: BaseException) -> str:
    return f"cannot be read: {damage(error)}"
