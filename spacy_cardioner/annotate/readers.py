"""Where notes come from: a text file, a folder of them, or standard input.

Every character of the input is a character of the note: line ends stay as they are, and only a
byte order mark is removed. Offsets therefore count the code points of the decoded input.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from spacy_cardioner.errors import CardionerError


class SourceNote(NamedTuple):
    """A note as it was found.

    id (str): Its name: the file's, without ``.txt``; ``stdin`` for standard input.
    text (str): Its characters.
    """

    id: str
    text: str


class UnreadableNote(CardionerError):
    """A note's bytes cannot be had, or are not text in UTF-8."""


class Notes:
    """The notes of a file, a folder or standard input, read one at a time.

    Unless lenient, all files are looked through before the first note is given out: a long run
    does not end on a fault that could be known at its beginning.

    source (Path | None): A text file, a folder with ``.txt`` files, or None for standard input.
    lenient (bool): Leave out the notes that cannot be read, and say why in `skipped`, instead of
        raising.
    RAISES (CardionerError): Nothing to read at `source`; while iterating, an unreadable note.
    """

    def __init__(self, source: Path | None, *, lenient: bool = False) -> None:
        self.paths: Sequence[Path | None] = [None] if source is None else _files(source)
        self.lenient = lenient
        self.skipped: list[str] = []

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[SourceNote]:
        if not self.lenient and len(self.paths) > 1:
            for path in self.paths:
                _read(path)
        for path in self.paths:
            try:
                note = _read(path)
            except UnreadableNote as error:
                if not self.lenient:
                    raise
                self.skipped.append(str(error))
            else:
                yield note


def _files(source: Path) -> list[Path]:
    if not source.exists():
        raise CardionerError(f"{source}: no such file or folder")
    if not source.is_dir():
        return [source]
    # Hidden ones are what a file manager or an interrupted copy left behind.
    found = [
        path
        for path in source.iterdir()
        if path.name.endswith(".txt") and not path.name.startswith(".") and path.is_file()
    ]
    if not found:
        raise CardionerError(f"{source}: no .txt file in this folder")
    return sorted(found, key=_name)


def _name(path: Path) -> str:
    return path.name.removesuffix(".txt")


def _read(path: Path | None) -> SourceNote:
    shown = ascii(str(path)) if path else "standard input"
    try:
        name = _name(path) if path else "stdin"
        name.encode()
        data = path.read_bytes() if path else sys.stdin.buffer.read()
        return SourceNote(name, data.decode().removeprefix("\ufeff"))
    except UnicodeEncodeError as error:
        raise UnreadableNote(f"{shown}: the file's name is not UTF-8; rename it") from error
    except UnicodeDecodeError as error:
        raise UnreadableNote(
            f"{shown}: not UTF-8 from byte {error.start} on; convert it, for instance with iconv"
        ) from error
    except OSError as error:
        raise UnreadableNote(f"{shown}: cannot be read: {error.strerror}") from error
