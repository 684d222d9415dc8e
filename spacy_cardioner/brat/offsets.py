"""The ways in which annotation tools count offsets into a text."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import product

Span = tuple[int, int]

BOM = "\ufeff"
# What offsets may count: a mark before the text; units, with the encoding that has so many bytes
# for each; line ends. "" is what they should count: characters, and each that is there.
MARKS = {"": "", "a byte order mark": BOM}
UNITS = {"": ("utf-32-le", 4), "bytes of UTF-8": ("utf-8", 1), "UTF-16 units": ("utf-16-le", 2)}
LINE_ENDS: dict[str, Callable[[str], str]] = {
    "": str,
    "each CRLF once, as in a .txt with line feeds alone": lambda text: text.replace("\r\n", "\n"),
    "each line feed twice, as in a .txt with CRLF": lambda text: re.sub("(?<!\r)\n", "\r\n", text),
}


class CountedText:
    """A text, and what offsets into it may count.

    text (str): The text, with its byte order mark if offsets count it.
    mark (int): Length of this mark.
    """

    def __init__(self, text: str, mark: int = 0) -> None:
        self.text = text
        self.mark = mark

    def cut(self, fragments: Sequence[Span]) -> str:
        """The fragments of the text, with a space between them."""
        return " ".join(self.text[start:end] for start, end in fragments)

    def guess(self, fragments: Sequence[Span], mention: str) -> str:
        """What offsets count if they are those of a mention; "" if nothing fits."""
        end = max(fragments)[1]
        for name, data, encoding, width in self._readings:
            pieces = (data[width * start : width * stop] for start, stop in fragments)
            cut = " ".join(piece.decode(encoding, "replace") for piece in pieces)
            if width * end <= len(data) and same_mention(mention, cut):
                return name
        return ""

    @cached_property
    def _readings(self) -> list[tuple[str, bytes, str, int]]:
        """What is counted, the text so encoded, the encoding and the bytes of a unit.

        The likeliest come first: those with few differences, and of them those without a mark, as
        most texts have none.
        """
        found = []
        text = self.text[self.mark :]
        for (mark, before), (unit, (encoding, width)), (ends, respell) in product(
            MARKS.items(), UNITS.items(), LINE_ENDS.items()
        ):
            names = [*filter(None, (mark, unit, ends))]
            if not ends or respell(text) != text:
                name = " and ".join(names) or "characters after the byte order mark"
                data = (before + respell(text)).encode(encoding)
                found.append((len(names), (name, data, encoding, width)))
        return [reading for _, reading in sorted(found, key=lambda one: one[0])]


def same_mention(spelled: str, expected: str) -> bool:
    """Whether a line spells a mention as tools do that change its white space.

    They write spaces for white space, a line end as one space, as two or without some of it, and
    white space, or a byte order mark, at the edges.
    """
    if spelled == expected:
        return True
    ours, theirs = (re.sub(r"\s", " ", bare(text)) for text in (expected, spelled))
    broken = "\n" in expected or "\r" in expected
    return ours == theirs or (broken and ours.split() == theirs.split())


def bare(mention: str) -> str:
    """A mention without white space and byte order marks at its edges."""
    return mention.strip().strip(BOM).strip()
