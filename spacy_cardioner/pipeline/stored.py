"""Components that save their data as files, a folder for each component."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import srsly
from spacy.pipeline import Pipe

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.files import RESOURCES
from spacy_cardioner.texts import read_json, read_jsonl

# The setting for the files of the language of a pipeline.
DEFAULT = "default"

Self = TypeVar("Self", bound="StoredPipe")

_READERS: dict[str, Callable[[Path], Any]] = {
    ".json": read_json,
    ".jsonl": lambda path: [row for _, row in read_jsonl(path)],
    ".msgpack": srsly.read_msgpack,
}
_WRITERS: dict[str, Callable[[Path, Any], None]] = {
    ".json": srsly.write_json,
    ".jsonl": srsly.write_jsonl,
    ".msgpack": srsly.write_msgpack,
}


class StoredPipe(Pipe):
    """Base class of components that are saved and loaded with data of their own.

    A subclass lists its files and exchanges their contents in `get_data` and `set_data`. What is
    saved with a pipeline overrides the files that its config names.
    """

    files: ClassVar[tuple[str, ...]]

    def get_data(self) -> Mapping[str, Any]:
        """RETURNS (Mapping[str, Any]): The content of each file, by its name."""
        raise NotImplementedError

    def set_data(self, data: Mapping[str, Any]) -> None:
        """Take over what `get_data` returned. RAISES (CardionerError): It is malformed."""
        raise NotImplementedError

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Serialize the component to a bytestring."""
        return bytes(srsly.msgpack_dumps(self.get_data()))

    def from_bytes(self: Self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> Self:
        """Load the component from a bytestring."""
        self.set_data(srsly.msgpack_loads(bytes_data))
        return self

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the component to a folder."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.get_data().items():
            _WRITERS[Path(name).suffix](folder / name, content)

    def from_disk(self: Self, path: str | Path, *, exclude: Iterable[str] = ()) -> Self:
        """Load the component from a folder."""
        folder = Path(path)
        self.set_data({name: _READERS[Path(name).suffix](folder / name) for name in self.files})
        return self


def resource(language: str, name: str) -> Path:
    """The file of this package for a language. RAISES (CardionerError): There is none."""
    path = RESOURCES / language / name
    if not path.is_file():
        raise CardionerError(
            f"no {name} for the language {language!r}, only for {', '.join(languages(name))}: give "
            "a file of your own, or one of these languages"
        )
    return path


def languages(name: str) -> list[str]:
    """The languages that have a file in this package."""
    return sorted(found.parent.name for found in RESOURCES.glob(f"*/{name}"))
