"""What a format is, and files that take their names when they are whole."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.files import whole_file, whole_folder

if TYPE_CHECKING:
    from spacy_cardioner.batch.engine import Annotated

Put = Callable[[Any], object]


class Writer(ABC):
    """One format.

    A note is written in two steps. Rendering says whether the format can hold it and touches no
    file: a note that one of several outputs cannot hold is in none of them.
    """

    # What the files end in; "" for a format that makes a folder.
    ending: ClassVar[str] = ""
    # Whether the pipeline's documents are needed.
    needs_docs: ClassVar[bool] = False

    @abstractmethod
    def render(self, found: Annotated) -> Any:
        """A note as it will be written.

        RAISES (CardionerError): The format cannot hold it.
        """

    @abstractmethod
    def into(self, place: Any, first: int = 1) -> AbstractContextManager[Put]:
        """Write to an open binary file, or into a folder that exists.

        place (IO[bytes] | Path): Where to.
        first (int): The number of the first mention, counted over all parts of the output.
        YIELDS (Callable): What takes rendered notes, one after the other.
        """


@contextmanager
def opened(writer: Writer, path: Path | None) -> Iterator[Put]:
    """An output that is one file, whole when this ends; or a folder, where each note is whole as
    soon as it is written.

    path (Path | None): The file or folder; None for standard output.
    """
    if path is not None and not writer.ending:
        path.mkdir(parents=True, exist_ok=True)
        with writer.into(path) as put:
            yield put
    else:
        with _stream(path) as stream, writer.into(stream) as put:
            yield put


@contextmanager
def opened_part(writer: Writer, path: Path, first: int) -> Iterator[Put]:
    """A part of an output, file or folder, which replaces the one of that name when it is whole."""
    if writer.ending:
        with whole_file(path) as stream, writer.into(stream, first) as put:
            yield put
    else:
        with whole_folder(path) as folder, writer.into(folder, first) as put:
            yield put


def refuse_overwriting(sources: Iterable[Path], output: Path) -> None:
    """Keep what is read safe from what is written.

    RAISES (CardionerError): `output` is one of the source files, or a folder that holds one.
    """
    for source in sources if output.exists() else ():
        if output.samefile(source) or output.samefile(source.parent):
            raise CardionerError(f"{output}: the notes are read from here; write somewhere else")


@contextmanager
def _stream(path: Path | None) -> Iterator[IO[bytes]]:
    """What bytes are written to: a file that is whole or not there, standard output, or what cannot
    be renamed, as it is.
    """
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    elif path.exists() and not path.is_file():
        with path.open("wb") as stream:
            yield stream
    else:
        with whole_file(path) as stream:
            yield stream
