"""Documents as a DocBin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from spacy_cardioner.batch.writers.base import Put, Writer
from spacy_cardioner.errors import CardionerError

if TYPE_CHECKING:
    from spacy_cardioner.batch.engine import Annotated


class Docs(Writer):
    """spaCy documents with ``user_data["note_id"]``.

    All documents of a DocBin are in memory before it is written: use parts for many notes.
    """

    ending = ".spacy"

    def render(self, found: Annotated) -> bytes:
        """Render a note."""
        if found.doc is None:
            raise CardionerError("the engine keeps no documents")
        return found.doc

    @contextmanager
    def into(self, place: IO[bytes], first: int = 1) -> Iterator[Put]:
        """Write to an open file."""
        from spacy.tokens import DocBin

        joined = DocBin(store_user_data=True)
        yield lambda rendered: joined.merge(DocBin(store_user_data=True).from_bytes(rendered))
        place.write(joined.to_bytes())
