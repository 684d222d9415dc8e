"""BRAT folders."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from spacy_cardioner import brat
from spacy_cardioner.batch.writers.base import Put, Writer
from spacy_cardioner.batch.writers.brat_conf import Configuration, Known, attributes, known
from spacy_cardioner.errors import CardionerError, reason
from spacy_cardioner.files import make_folder, sync, temporary

if TYPE_CHECKING:
    from spacy_cardioner.batch.engine import Annotated

# What a file system says of a name that it cannot hold, beside what is there already.
BAD_NAME = {
    *(errno.EACCES, errno.EEXIST, errno.EILSEQ, errno.EINVAL, errno.EISDIR, errno.ELOOP),
    *(errno.ENAMETOOLONG, errno.ENOTDIR, errno.EPERM),
}
UNSYNCED = 2000  # most files that wait to be on the disk


class Rendered(NamedTuple):
    """A note, its path in the folder, and what the configuration of brat has to list."""

    place: PurePosixPath
    note: brat.Note
    known: Known


class Brat(Writer):
    """A ``.txt`` and an ``.ann`` for each note, in subfolders if its id has slashes.

    Attribute lines ("A") give what is known of a mention: ``Negated``, ``Family`` and so on where
    they are true, and ``Score``, ``Match`` and ``Section`` with their values. Normalisation lines
    ("N") give the codes. The folder has the configuration of brat that shows them.
    """

    def render(self, found: Annotated) -> Rendered:
        """Render a note."""
        place = _place(found.note.id)
        entities = [mention.entity for mention in found.mentions]
        given = map(attributes, found.mentions)
        note = brat.note_from_entities(place.name, found.note.text, entities, given)
        return Rendered(place, note, known(found.mentions))

    @contextmanager
    def into(self, place: Path, first: int = 1) -> Iterator[Put]:
        """Write to an existing folder."""
        folder = _Folder(place.resolve())
        try:
            # Inside the block, because Ctrl-C may come right after the folder is created.
            folder.staging.mkdir()
            yield folder.put
            folder.sync()
        finally:
            shutil.rmtree(folder.staging, ignore_errors=True)


class _Folder:
    """A folder that is written to.

    root (Path): Its real path.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.staging = temporary(root / "note")
        self.configuration = Configuration(root)
        self.written: set[int] = set()  # inodes, as names may differ in case or lead over links
        self.unsynced: list[Path] = []

    def put(self, rendered: Rendered) -> None:
        """Write the files of a note. RAISES (CardionerError): The folder cannot hold them."""
        try:
            self._put((self.root / rendered.place.parent).resolve(), rendered)
        except (CardionerError, OSError, RuntimeError, ValueError) as error:
            cause = error.__cause__ or error
            if isinstance(cause, OSError) and cause.errno not in BAD_NAME:
                raise cause from None
            raise CardionerError(f"the BRAT folder cannot hold it: {reason(cause)}") from error
        if len(self.unsynced) >= UNSYNCED:
            self.sync()

    def _put(self, folder: Path, rendered: Rendered) -> None:
        note = rendered.note
        if not folder.is_relative_to(self.root):
            raise CardionerError("a link leads out of the folder")
        targets = [folder / f"{note.name}{ending}" for ending in (".txt", ".ann")]
        for target in targets:
            if target.is_symlink():
                continue  # it is replaced
            if target.is_dir():
                raise CardionerError("there is a folder with the name of its file")
            if target.exists() and target.stat().st_ino in self.written:
                raise CardionerError("two notes have this id, and each needs its own file")
        make_folder(folder)
        brat.write_note(note, self.staging)
        for target in targets:
            (self.staging / target.name).replace(target)
            self.written.add(target.stat().st_ino)
        self.unsynced += targets
        self.configuration.known |= rendered.known

    def sync(self) -> None:
        """Wait until what is written is on the disk, with its configuration."""
        for path, content in self.configuration.changed().items() if self.written else ():
            staged = self.staging / path.name
            staged.write_bytes(content)
            staged.replace(path)
            self.unsynced.append(path)
        for path in self.unsynced:
            sync(path)
        for folder in {path.parent for path in self.unsynced}:
            sync(folder)
        self.unsynced.clear()


def _place(note_id: str) -> PurePosixPath:
    """The path of the files of a note, without their endings.

    RAISES (CardionerError): The id is not a file name, or would leave the folder.
    """
    parts = note_id.split("/")
    if any(part in ("", ".", "..") or len(part.encode()) > 250 for part in parts):
        raise CardionerError("the id of the note cannot be a file name")
    return PurePosixPath(*parts)
