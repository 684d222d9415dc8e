"""The record of a run in parts, by which it is resumed: ``_manifest.json`` and ``_errors.jsonl``.

Both lie in the folder of the first output. Their names start with an underscore, so that Spark,
Arrow and others who read the folder as one table leave them out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.files import whole_file

MANIFEST = "_manifest.json"
ERRORS = "_errors.jsonl"

# What has to be the same for the parts to belong together.
IDENTITY = ("software", "model", "inputs", "options")


def software() -> dict[str, str]:
    """The versions of what decides on what is found."""
    return {name: version(name) for name in ("spacy_cardioner", "spacy")}


class Part(NamedTuple):
    """A part that is whole.

    notes (int): How many notes are in it.
    errors (int): How many could not be annotated.
    mentions (int): How many entities were found.
    """

    notes: int
    errors: int
    mentions: int


class Manifest:
    """What a run is, and how far it has come.

    folder (Path): Where the record lies.
    about (Mapping[str, Any]): What the run is: `IDENTITY`, and "started".
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self.folder = folder
        self.about = dict(about)
        self.parts: list[Part] = []
        self.errors_bytes = 0
        self.finished: str | None = None

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """The record of the run that wrote to a folder, or None.

        RAISES (CardionerError): It is damaged.
        """
        path = folder / MANIFEST
        if not path.exists():
            return None
        try:
            data = json.loads(path.read_bytes())
            manifest = cls(folder, {name: data[name] for name in (*IDENTITY, "started")})
            manifest.parts = [Part(**part) for part in data["parts"]]
            manifest.errors_bytes = data["errors_bytes"]
            manifest.finished = data["finished"]
        except (ValueError, KeyError, TypeError) as error:
            raise CardionerError(f"{path}: not the record of a run; remove the folder") from error
        return manifest

    @property
    def done(self) -> Part:
        """All parts together."""
        return Part(*map(sum, zip(*self.parts, strict=True))) if self.parts else Part(0, 0, 0)

    def check(self, about: Mapping[str, Any]) -> None:
        """Make sure that a run is the one that was begun.

        RAISES (CardionerError): It differs, by its pipeline, its inputs or its options.
        """
        # What was written has gone through JSON, which has no tuples.
        about = json.loads(json.dumps(about))
        changed = [name for name in IDENTITY if self.about[name] != about[name]]
        if changed:
            raise CardionerError(
                f"{self.folder}: cannot be resumed, as the {' and the '.join(changed)} changed "
                f"since it was begun (see {MANIFEST}); --overwrite starts again"
            )

    def add(self, part: Part, errors: Iterable[Mapping[str, str]]) -> None:
        """Record a part, whose files have their names already."""
        lines = [json.dumps(error, ensure_ascii=False).encode() + b"\n" for error in errors]
        if lines:
            with (self.folder / ERRORS).open("ab") as stream:
                stream.writelines(lines)
                stream.flush()
                os.fsync(stream.fileno())
        self.errors_bytes += sum(map(len, lines))
        self.parts.append(part)
        self.save()

    def restore(self) -> None:
        """Take back the errors of a part that was not recorded."""
        path = self.folder / ERRORS
        if path.exists():
            os.truncate(path, self.errors_bytes)

    def save(self) -> None:
        """Write the record: at each moment there is the old one or the new one."""
        data = {
            **self.about,
            "finished": self.finished,
            "counts": self.done._asdict(),
            "errors_bytes": self.errors_bytes,
            "parts": [part._asdict() for part in self.parts],
        }
        with whole_file(self.folder / MANIFEST) as stream:
            stream.write(json.dumps(data, indent=1, ensure_ascii=False).encode())
