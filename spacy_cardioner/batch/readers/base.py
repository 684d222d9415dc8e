"""What a note is, what gives notes, and what all that read files share."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
# What reading a file raises that is damaged.
BROKEN = (OSError, EOFError, lzma.LZMAError, zlib.error)

BLOCK = 1 << 20

EMPTY = "empty"


class SourceNote(NamedTuple):
    """A note as it was found.

    id (str): Its name: the file's without ``.txt``, or what stands in the table's id column.
    text (str): Its characters; "" where they cannot be had.
    fault (str): Why the note cannot be annotated, without any of its text; "" for a good note.
    """

    id: str
    text: str
    fault: str = ""


class Source(ABC):
    """Gives notes one at a time, always in the same order.

    A note that cannot be read is given too, with its fault, so that the n-th note is the n-th
    whatever happens.
    """

    # What was guessed about the input, for the person who did not say it.
    choices: tuple[str, ...] = ()

    @abstractmethod
    def __iter__(self) -> Iterator[SourceNote]:
        """Every note from the first on."""

    def after(self, count: int) -> Iterator[SourceNote]:
        """The notes after the first `count`."""
        return islice(iter(self), count, None)

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What it is, with size and checksum, to know it again when a run is resumed."""

    def paths(self) -> Iterator[Path]:
        """The files that are read, which must not be written."""
        return iter(())

    def __len__(self) -> int:
        """How many notes there are; 0 where that is known only at the end."""
        return 0


def checked(note_id: str, text: object) -> SourceNote:
    """A note of what was found under an id; with a fault unless it is text.

    Half a surrogate pair is no character: no output could hold it. A NUL is a sign of a binary
    file, or of text in UTF-16. Nothing but white space is what an export leaves of a lost text.
    """
    if text is None:
        return SourceNote(note_id, "", "no text (null)")
    if not isinstance(text, str):
        return SourceNote(note_id, "", f"not text ({type(text).__name__})")
    if "\0" in text:
        return SourceNote(note_id, "", "binary, or not UTF-8: it holds NUL characters")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return SourceNote(note_id, "", f"not UTF-8 at character {error.start}")
    return SourceNote(note_id, text) if text.strip() else SourceNote(note_id, "", EMPTY)


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file to read, compressed by gzip, bzip2 or xz if its name says so."""
    opener: Callable[..., Any] = OPENERS.get(path.suffix, open)
    stream: IO[bytes] = opener(path, "rb")
    return stream


def decompressed(name: str, data: bytes) -> bytes:
    """The bytes of a file, of which the name says how they are compressed."""
    opener = OPENERS.get(Path(name).suffix)
    if opener is None:
        return data
    with opener(io.BytesIO(data)) as stream:
        plain: bytes = stream.read()
    return plain


def without_compression(name: str) -> str:
    """A file name without the ending that says how it is compressed."""
    return next((name.removesuffix(end) for end in OPENERS if name.endswith(end)), name)


def describe_files(name: str, files: Iterable[Path]) -> dict[str, Any]:
    """How many files there are, their bytes, and a checksum.

    Of one file it is the file's own SHA-256; of several, that of the list of theirs as
    ``sha256sum`` prints it, by file name in the order of reading.
    """
    sums, size = [], 0
    for path in files:
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            while block := stream.read(BLOCK):
                digest.update(block)
                size += len(block)
        sums.append(f"{digest.hexdigest()}  {path.name}\n")
    listed = hashlib.sha256("".join(sums).encode("utf-8", "surrogateescape")).hexdigest()
    return {
        "input": name,
        "files": len(sums),
        "bytes": size,
        "sha256": sums[0].split()[0] if len(sums) == 1 else listed,
    }
