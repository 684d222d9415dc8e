"""BRAT folders."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from spacy_cardioner import brat
from spacy_cardioner.batch.writers.base import Put, Writer
from spacy_cardioner.errors import CardionerError

if TYPE_CHECKING:
    from spacy_cardioner.batch.engine import Annotated
    from spacy_cardioner.batch.mentions import Mention

# Names of brat attributes that are not the capitalized field.
NAMES = {"kb_id": "Code"}


class Brat(Writer):
    """A ``.txt`` and an ``.ann`` for each note, in subfolders if its id has slashes.

    Attribute lines ("A") give what is known of a mention: ``Negated``, ``Family`` and so on where
    they are true, and ``Score``, ``Code``, ``Match`` and ``Section`` with their values.
    """

    def __init__(self) -> None:
        self._taken: set[PurePosixPath] = set()

    def render(self, found: Annotated) -> tuple[PurePosixPath, brat.Note]:
        """Render a note."""
        place = _place(found.note.id)
        if place in self._taken:
            raise CardionerError(f"{place}: two notes have this id, and each needs its own file")
        entities = [mention.entity for mention in found.mentions]
        attributes = map(_attributes, found.mentions)
        return place, brat.note_from_entities(place.name, found.note.text, entities, attributes)

    @contextmanager
    def into(self, place: Path, first: int = 1) -> Iterator[Put]:
        """Write to an existing folder."""
        self._taken = set()
        with tempfile.TemporaryDirectory(prefix=".cardioner-", dir=place) as staging:

            def put(rendered: tuple[PurePosixPath, brat.Note]) -> None:
                path, note = rendered
                self._taken.add(path)
                folder = place / path.parent
                folder.mkdir(parents=True, exist_ok=True)
                brat.write_note(note, Path(staging))
                for ending in (".txt", ".ann"):
                    Path(staging, note.name + ending).replace(folder / (note.name + ending))

            yield put


def _place(note_id: str) -> PurePosixPath:
    """The path of the files of a note, without their endings.

    RAISES (CardionerError): The id is not a file name, or would leave the folder.
    """
    parts = note_id.split("/")
    if any(part in ("", ".", "..") or len(part.encode()) > 250 for part in parts):
        raise CardionerError(f"{note_id!a}: the id of the note cannot be a file name")
    return PurePosixPath(*parts)


def _attributes(mention: Mention) -> dict[str, bool | str]:
    return {
        NAMES.get(name, name.capitalize()): value if isinstance(value, bool) else _word(value)
        for name, value in mention.attributes.items()
    }


def _word(value: object) -> str:
    """A value as one word, as brat requires."""
    return f"{value:.4f}" if isinstance(value, float) else "_".join(str(value).split())
