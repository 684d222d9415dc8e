"""What a writer is, and outputs that are complete or absent."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.files import make_folder, whole_file, whole_folder

if TYPE_CHECKING:
    from spacy_cardioner.batch.engine import Annotated

Put = Callable[[Any], object]


class Writer(ABC):
    """Writes one format.

    A note is rendered first and then written, so that a note that one of several formats cannot
    hold is in none of them. Only a folder can refuse a rendered note, so folders are written first.
    """

    # File name ending, "" for a format that is a folder.
    ending: ClassVar[str] = ""

    @abstractmethod
    def render(self, found: Annotated) -> Any:
        """Render a note. RAISES (CardionerError): The format cannot hold it."""

    @abstractmethod
    def into(self, place: Any, first: int = 1) -> AbstractContextManager[Put]:
        """Write to an open binary file or to an existing folder.

        place (IO[bytes] | Path): The file or folder.
        first (int): Number of the first mention, counted over all parts of the output.
        YIELDS (Callable): The function that writes a rendered note. In a folder, it raises a
            CardionerError if the folder cannot hold the note, and has then written nothing.
        """


def check_names(kind: str, own: Iterable[str], keep: Iterable[str]) -> None:
    """Check that the columns to keep are not among those of a format, as databases compare names.

    RAISES (CardionerError): One is.
    """
    by_lower = {name.lower(): name for name in keep}
    if len(by_lower) < len(list(keep)):
        raise CardionerError("--keep: two columns differ only in upper and lower case")
    if same := next((name for name in own if name in by_lower), None):
        raise CardionerError(
            f"--keep: {kind} has a column {same} of its own; leave it out, or rename that of the "
            "input"
        )


class Table(Writer):
    """A format with a row for each mention.

    types (Mapping[str, str]): The columns, and the names of their Arrow types.
    """

    types: Mapping[str, str]

    @abstractmethod
    def rows(self, found: Annotated) -> list[tuple[Any, ...]]:
        """The rows of a note. RAISES (CardionerError): The format cannot hold them."""

    def records(self, found: Annotated) -> list[dict[str, Any]]:
        """The rows of a note as values by column."""
        return [dict(zip(self.types, row, strict=True)) for row in self.rows(found)]

    def render(self, found: Annotated) -> Any:
        """Render a note."""
        return self.rows(found)


class Lines(Writer):
    """A text format, of which a note renders as bytes between `head` and `foot`."""

    head = b""
    foot = b""

    @contextmanager
    def into(self, place: IO[bytes], first: int = 1) -> Iterator[Put]:
        """Write to an open file."""
        place.write(self.head)
        yield place.write
        place.write(self.foot)


@contextmanager
def opened(
    writer: Writer, path: Path | None, *, first: int = 1, is_part: bool = False
) -> Iterator[Put]:
    """Write an output. A file appears when it is complete; in a folder, each note does.

    path (Path | None): The file or folder. None is standard output.
    first (int): Number of the first mention.
    is_part (bool): It is a part of an output. Also a folder appears when it is complete.
    """
    with _opened(writer, path, is_part) as place, writer.into(place, first) as put:
        yield put


@contextmanager
def _opened(writer: Writer, path: Path | None, is_part: bool) -> Iterator[Any]:
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    elif not writer.ending and is_part:
        with whole_folder(path) as folder:
            yield folder
    elif not writer.ending:
        make_folder(path)
        yield path
    elif path.exists() and not path.is_file():  # such as /dev/null, which cannot be replaced
        with path.open("wb") as stream:
            yield stream
    else:
        # The user may name a link to the file. In a folder of parts, a link is replaced.
        with whole_file(path if is_part else path.resolve()) as stream:
            yield stream
