"""Where a long text is split."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Best first: after a line that ends a sentence (other lines may be wrapped), a line, a sentence, a
# word.
BOUNDARIES = tuple(
    re.compile(boundary)
    for boundary in (r"[.:!?…][^\S\r\n]*(?:\r\n?|\n)", r"\r\n?|\n", r"[.!?…]\s+", r"\s+")
)


def cut(text: str, limit: int) -> Iterator[tuple[int, int]]:
    """Split a text into pieces of at most `limit` characters, at the best boundary.

    YIELDS (tuple[int, int]): Start and end of each piece. The pieces add up to the text; a text
        within the limit, even an empty one, is one piece.
    """
    start = 0
    while len(text) - start > limit:
        window = (start, start + limit)
        ends = ([match.end() for match in one.finditer(text, *window)] for one in BOUNDARIES)
        end = next(filter(None, ends), window)[-1]
        yield start, end
        start = end
    yield start, len(text)
