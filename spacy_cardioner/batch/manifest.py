"""The record of a run in parts: ``_manifest.json`` and ``_errors.jsonl``.

Both are in the folder of the first output. Spark, Arrow and others that read the folder as one
table skip names that start with an underscore.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple, dataclass, field
from operator import sub
from pathlib import Path
from typing import Any

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.files import whole_file

MANIFEST = "_manifest.json"
ERRORS = "_errors.jsonl"

# What may not change between the parts of a run.
IDENTITY = ("software", "model", "inputs", "options")


@dataclass
class Counts:
    """Numbers of annotated notes, failed notes, and mentions."""

    notes: int = 0
    errors: int = 0
    mentions: int = 0


@dataclass
class Manifest:
    """The description of a run (`IDENTITY` and "started"), and its finished parts."""

    folder: Path
    about: dict[str, Any]
    parts: list[Counts] = field(default_factory=list)
    errors_bytes: int = 0
    finished: str | None = None

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """Read the record of the run that wrote to a folder, if there is one.

        RAISES (CardionerError): The record is damaged.
        """
        path = folder / MANIFEST
        if not path.exists():
            return None
        try:
            data = json.loads(path.read_bytes())
            about = {name: data[name] for name in (*IDENTITY, "started")}
            parts = [Counts(**part) for part in data["parts"]]
            return cls(folder, about, parts, data["errors_bytes"], data["finished"])
        except (ValueError, KeyError, TypeError) as error:
            raise CardionerError(f"{path}: not the record of a run; remove the folder") from error

    @property
    def done(self) -> Counts:
        """The counts of all finished parts together."""
        columns = zip(*map(astuple, [Counts(), *self.parts]), strict=True)
        return Counts(*map(sum, columns))

    def check(self, about: Mapping[str, Any]) -> None:
        """Check that the recorded run can be resumed with these settings.

        RAISES (CardionerError): The software, pipeline, inputs or options differ.
        """
        about = json.loads(json.dumps(about))  # tuples to lists, as in the saved record
        changed = [name for name in IDENTITY if self.about[name] != about[name]]
        if changed:
            raise CardionerError(
                f"{self.folder}: cannot be resumed: the {' and the '.join(changed)} changed "
                f"since the run started (see {MANIFEST}); --overwrite starts again"
            )

    def add(self, total: Counts, errors: Iterable[Mapping[str, str]]) -> None:
        """Record a part whose files are complete. `total` counts all parts up to this one."""
        lines = [json.dumps(error, ensure_ascii=False).encode() + b"\n" for error in errors]
        if lines:
            with (self.folder / ERRORS).open("ab") as stream:
                stream.writelines(lines)
                stream.flush()
                os.fsync(stream.fileno())
        self.errors_bytes += sum(map(len, lines))
        self.parts.append(Counts(*map(sub, astuple(total), astuple(self.done))))
        self.save()

    def restore(self) -> None:
        """Remove the errors of a part that was not recorded."""
        path = self.folder / ERRORS
        if path.exists():
            os.truncate(path, self.errors_bytes)

    def save(self) -> None:
        """Replace the saved record."""
        data = {
            **self.about,
            "finished": self.finished,
            "counts": asdict(self.done),
            "errors_bytes": self.errors_bytes,
            "parts": [asdict(part) for part in self.parts],
        }
        with whole_file(self.folder / MANIFEST) as stream:
            stream.write(json.dumps(data, indent=1, ensure_ascii=False).encode())
