"""Sources of notes."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, islice
from pathlib import Path
from typing import Any

from spacy_cardioner.batch.readers.columns import Columns
from spacy_cardioner.batch.readers.note import SourceNote
from spacy_cardioner.errors import CardionerError, plain
from spacy_cardioner.files import checksum
from spacy_cardioner.texts import BROKEN, UTF_8, damage


class Unreadable(CardionerError):
    """A file cannot be read, or not to its end. Others can."""


class Source(ABC):
    """Yields notes lazily, always in the same order.

    A note that cannot be read is yielded with its fault, so that positions never change.

    name (str): Its name for messages and records.
    files (Sequence[Path]): The files that it reads, in this order. No output may replace them.
    encoding (str): Of its bytes, if it reads text.
    """

    columns = Columns("", None)
    total: int | None = None  # the number of notes, if known
    files: Sequence[Path] = ()
    encoding: str = UTF_8

    def __init__(self, name: str) -> None:
        self.name = name

    def __iter__(self) -> Iterator[SourceNote]:
        return self.after(0)

    @abstractmethod
    def after(self, count: int) -> Iterator[SourceNote]:
        """The notes after the first `count`."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Identify the source, to resume a run only on the same notes.

        RAISES (CardionerError): It can be read only once.
        """


class FileSource(Source):
    """Files with notes.

    Of two files with the same `stem`, whose notes would have the same ids, only the first is read:
    the other is at fault.

    folder (Path): Folder of the files.
    names (Sequence[str]): Their paths in it.
    counts (Sequence[int]): The number of notes of each file, if known.
    """

    counts: Sequence[int] = ()

    def __init__(self, name: str, folder: Path, names: Sequence[str]) -> None:
        super().__init__(name)
        self.names = names
        self.files = [folder / file for file in names]
        first: dict[str, str] = {}
        firsts = ((file, first.setdefault(self.stem(file), file)) for file in names)
        self.twins = {file: other for file, other in firsts if other != file}

    @abstractmethod
    def stem(self, file: str) -> str:
        """What the ids of the notes of a file have of its name."""

    @abstractmethod
    def notes_of(self, file: str, path: Path) -> Iterator[SourceNote]:
        """The notes of a file. RAISES: Unreadable or an error in `BROKEN`."""

    def after(self, count: int) -> Iterator[SourceNote]:
        """The notes after the first `count`."""
        ends = [0, *accumulate(self.counts)]
        skipped = bisect_right(ends, count) - 1
        files = zip(self.names[skipped:], self.files[skipped:], strict=True)
        notes = chain.from_iterable(self._all_of(*file) for file in files)
        return islice(notes, count - ends[skipped], None)

    def _all_of(self, file: str, path: Path) -> Iterator[SourceNote]:
        """The notes of a file, and a fault if it cannot be read to its end."""
        count = 0
        try:
            if file in self.twins:
                other = plain(self.twins[file])
                raise Unreadable(f"the notes of {other} have the same ids; rename one of them")
            for note in self.notes_of(file, path):
                yield note
                count += 1
        except (Unreadable, *BROKEN) as error:
            fault = f"cannot be read after {count} notes: " if count else "cannot be read: "
            fault += str(error) if isinstance(error, Unreadable) else damage(error)
            if len(self.files) == 1:
                raise CardionerError(f"{path}: {fault}") from error
            yield SourceNote(plain(file), "", fault, plain(file))

    def describe(self) -> dict[str, Any]:
        """Identify the files.

        RETURNS (dict[str, Any]): Number, bytes and SHA-256 of the files: for several, of the list
            of their checksums and names.
        """
        sums = [checksum(path) for path in self.files]
        listing = "".join(f"{one}  {name}\n" for one, name in zip(sums, self.names, strict=True))
        digest = hashlib.sha256(listing.encode("utf-8", "surrogateescape")).hexdigest()
        return {
            "input": self.name,
            "files": len(sums),
            "bytes": sum(path.stat().st_size for path in self.files),
            "sha256": sums[0] if len(sums) == 1 else digest,
            "encoding": self.encoding,
        }


def not_again(name: str) -> CardionerError:
    """The error of a source that can be read only once."""
    return CardionerError(
        f"{name}: can be read only once, so a run in parts could not be "
        "resumed; save it in a file, or leave out --part-size"
    )
