"""The files of the page."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from spacy_cardioner.view import STYLE

FOLDER = Path(__file__).parent / "page"
INDEX = "index.html"
# JavaScript modules need their type, and a computer may have another one for the ending.
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


class File(NamedTuple):
    """A file, and its type for HTTP."""

    path: Path
    type: str


def page_files() -> dict[str, File]:
    """The files of the page, by their names below ``page/``. The index belongs at ``/``."""
    paths = [*FOLDER.iterdir(), STYLE]
    return {path.name: File(path, TYPES[path.suffix]) for path in paths}
