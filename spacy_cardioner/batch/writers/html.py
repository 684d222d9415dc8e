"""A web page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spacy_cardioner.batch.writers.base import Lines
from spacy_cardioner.view import PAGE_FOOT, draw, page_head

if TYPE_CHECKING:
    from spacy_cardioner.batch.engine import Annotated


class Html(Lines):
    """A page with the picture of each note, see `view`.

    pipeline (Mapping[str, Any]): Identity of the pipeline, whose name starts with its language.
    """

    ending = ".html"
    foot = PAGE_FOOT.encode()

    def __init__(self, pipeline: Mapping[str, Any]) -> None:
        name, version = pipeline["name"], pipeline["version"]
        self.head = page_head(f"{name} {version}").encode()
        lang = name.partition("_")[0]
        self.lang = "" if lang == "xx" else lang

    def render(self, found: Annotated) -> bytes:
        """Render a note."""
        note = found.note
        picture = draw(
            note.text,
            found.mentions,
            title=note.id,
            place=note.place,
            lang=self.lang,
            sections=found.sections,
            names=found.names,
        )
        return picture.encode()
