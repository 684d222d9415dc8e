"""The record of a run in parts: ``_manifest.json`` and ``_errors.jsonl``.

Both are in the folder of the first output. Spark, Arrow and others that read the folder as one
table skip names that start with an underscore.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacy_cardioner.batch.readers import SourceNote
from spacy_cardioner.batch.readers.note import kept_text
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.files import checksum, whole_file
from spacy_cardioner.spans import add_counts

if TYPE_CHECKING:
    from spacy_cardioner.batch.engine import Annotated

MANIFEST = "_manifest.json"
ERRORS = "_errors.jsonl"

# What may not change between the parts of a run.
IDENTITY = ("software", "model", "inputs", "options")


@dataclass
class Counts:
    """Numbers of annotated notes, failed notes, and mentions, and what components counted."""

    notes: int = 0
    errors: int = 0
    mentions: int = 0
    of_components: dict[str, float] = field(default_factory=dict)


# Name, bytes and SHA-256 of what was written.
Seal = dict[str, Any]


@dataclass(kw_only=True)
class Part(Counts):
    """A finished part.

    read (str): Checksum of its notes as they were read.
    written (list[Seal]): Of its file or folder in each output.
    failed (Seal): Of its lines in the file of errors.
    """

    read: str
    written: list[Seal]
    failed: Seal


class Reading:
    """The checksum of notes as they are read."""

    def __init__(self) -> None:
        self._sum = hashlib.sha256()

    def add(self, note: SourceNote) -> None:
        """Count a note in."""
        kept = "\0".join(map(kept_text, note.kept))
        lengths = f"{len(note.id)} {len(note.text)} "
        read = lengths + note.id + note.text + kept
        self._sum.update(read.encode("utf-8", "surrogatepass"))

    def passed(self, notes: Iterable[Annotated]) -> Iterator[Annotated]:
        """Count notes in while they pass."""
        for found in notes:
            self.add(found.note)
            yield found

    def __str__(self) -> str:
        return self._sum.hexdigest()


@dataclass
class Manifest:
    """The description of a run (`IDENTITY` and "started"), and its finished parts."""

    folder: Path
    about: dict[str, Any]
    parts: list[Part] = field(default_factory=list)
    finished: str | None = None

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """Read the record of the run that wrote to a folder, if there is one.

        RAISES (CardionerError): The record is damaged, or of another version.
        """
        path = folder / MANIFEST
        if not path.exists():
            return None
        try:
            data = json.loads(path.read_bytes())
            about = {name: data[name] for name in (*IDENTITY, "started")}
            parts = [Part(**part) for part in data["parts"]]
            return cls(folder, about, parts, data["finished"])
        except (ValueError, KeyError, TypeError) as error:
            raise CardionerError(
                f"{path}: not the record of a run of this version; remove the folder"
            ) from error

    @property
    def done(self) -> Counts:
        """The counts of all finished parts together."""
        done = Counts()
        for part in self.parts:
            done.notes += part.notes
            done.errors += part.errors
            done.mentions += part.mentions
            add_counts(done.of_components, part.of_components)
        return done

    def check(self, about: Mapping[str, Any], folders: Sequence[Path]) -> None:
        """Check that the recorded run can be resumed with these settings, and has all it wrote.

        folders (Sequence[Path]): The folder of each output.
        RAISES (CardionerError): The software, pipeline, inputs or options differ, or a finished
            part is missing or was changed.
        """
        about = json.loads(json.dumps(about))  # tuples to lists, as in the saved record
        changed = [name for name in IDENTITY if self.about[name] != about[name]]
        if changed:
            raise self._refusal(f"the {' and the '.join(changed)} changed since the run started")
        for part in self.parts:
            for folder, written in zip(folders, part.written, strict=True):
                path = folder / written["name"]
                if not path.exists() or _seal(path) != written:
                    raise self._refusal(f"{path} was changed or removed")
        errors = self.folder / ERRORS
        with errors.open("rb") if errors.exists() else io.BytesIO() as stream:
            for part in self.parts:
                if _seal_of_lines(stream.read(part.failed["bytes"])) != part.failed:
                    raise self._refusal(f"{errors} was changed or removed")

    def check_read(self, part: Part, notes: Iterable[SourceNote]) -> None:
        """Check that the notes of a part are still the same.

        RAISES (CardionerError): They changed.
        """
        read = Reading()
        for note in notes:
            read.add(note)
        if str(read) != part.read:
            number = self.parts.index(part)
            raise self._refusal(f"the notes of part {number} changed since it was written")

    def _refusal(self, why: str) -> CardionerError:
        return CardionerError(
            f"{self.folder}: cannot be resumed: {why} (see {MANIFEST}); --overwrite starts again"
        )

    def add(
        self,
        total: Counts,
        errors: Iterable[Mapping[str, str]],
        read: Reading,
        written: Iterable[Path],
    ) -> None:
        """Record a part whose files are complete and on the disk.

        total (Counts): Of all parts up to this one.
        written (Iterable[Path]): Its file or folder in each output.
        """
        path = self.folder / ERRORS
        lines = b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in errors)
        if lines:
            with path.open("ab") as stream:
                stream.write(lines)
                stream.flush()
                os.fsync(stream.fileno())
        done = self.done
        part = Part(
            notes=total.notes - done.notes,
            errors=total.errors - done.errors,
            mentions=total.mentions - done.mentions,
            of_components={
                name: number - done.of_components.get(name, 0)
                for name, number in total.of_components.items()
            },
            read=str(read),
            written=list(map(_seal, written)),
            failed=_seal_of_lines(lines),
        )
        self.parts.append(part)
        self.save()

    def restore(self) -> None:
        """Remove the errors of a part that was not recorded."""
        path = self.folder / ERRORS
        if path.is_symlink():
            path.unlink()
        elif path.exists():
            os.truncate(path, sum(part.failed["bytes"] for part in self.parts))

    def save(self) -> None:
        """Replace the saved record."""
        data = {
            **self.about,
            "finished": self.finished,
            "counts": asdict(self.done),
            "parts": [asdict(part) for part in self.parts],
        }
        with whole_file(self.folder / MANIFEST) as stream:
            stream.write(json.dumps(data, indent=1, ensure_ascii=False).encode())


def _seal(path: Path) -> Seal:
    """What identifies a file or folder of a part."""
    files = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]
    size = sum(one.stat().st_size for one in files)
    return {"name": path.name, "bytes": size, "sha256": checksum(path)}


def _seal_of_lines(lines: bytes) -> Seal:
    return {"name": ERRORS, "bytes": len(lines), "sha256": hashlib.sha256(lines).hexdigest()}
