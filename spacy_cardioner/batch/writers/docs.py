"""Documents as a DocBin, and as a web page."""

from __future__ import annotations

import html
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from spacy_cardioner.batch.mentions import CONTEXT
from spacy_cardioner.batch.writers.base import Lines, Put, Writer
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.spans import non_overlapping

if TYPE_CHECKING:
    from spacy_cardioner.batch.engine import Annotated
    from spacy_cardioner.batch.mentions import Mention

HEAD = b"""<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<title>spacy_cardioner</title>
<style>
body { font-family: sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
h2 { border-top: 1px solid #ccc; font-size: 1rem; margin-top: 2rem; padding-top: 1rem; }
.entities { white-space: pre-wrap; }
.entity { border-radius: 0.35em; padding: 0.3em 0.5em; }
.entity span { font-size: 0.8em; font-weight: bold; margin-left: 0.5rem; }
</style>
</head>
<body>
"""
MARK = (
    '<mark class="entity" data-start="{start}" data-end="{end}" style="background: {bg}">'
    "{text}<span>{label}{kb_link}</span></mark>"
)


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


class Html(Lines):
    """A page with all notes, drawn by displaCy.

    The first attribute of context gives the colour, and the label lists them all. Of overlapping
    mentions, the longest is drawn.
    """

    ending = ".html"
    head = HEAD
    foot = b"</body>\n</html>\n"

    def __init__(self) -> None:
        from spacy.displacy.render import EntityRenderer

        self.renderer = EntityRenderer({"template": MARK})

    def render(self, found: Annotated) -> bytes:
        """Render a note."""
        drawn = [self._draw(mention) for mention in non_overlapping(found.mentions)]
        body = self.renderer.render_ents(found.note.text, drawn, None)
        page = f"<h2>{html.escape(found.note.id)}</h2>\n{body}\n"
        # HTML parsers turn a bare carriage return into a line feed.
        return page.replace("\r", "&#13;").encode()

    def _draw(self, mention: Mention) -> dict[str, object]:
        from spacy_cardioner.pipeline.context.view import COLOURS

        held = [name for name in CONTEXT if getattr(mention, name)]
        label = " ".join([mention.label, *held])
        first = next((name for name in COLOURS if name.removeprefix("is_") in held), None)
        if first is not None:
            self.renderer.colors[label.upper()] = COLOURS[first]
        return {
            "params": {"start": mention.start, "end": mention.end},
            "start": mention.start,
            "end": mention.end,
            "label": html.escape(label),
            "kb_id": html.escape(mention.kb_id),
            "kb_url": "#",
        }
