"""The picture of a note as HTML: its text, with the mentions marked where they stand.

A text with its mentions becomes a fragment (`draw`), which any page can hold that has the style
(`read_style`); `page_head` and `PAGE_FOOT` make a page of its own. Nothing in them needs a script
or loads anything. The text of the elements is the text of the note, character by character: labels
and signs are drawn by the style alone, so that what is copied from the picture is the note.
"""

from __future__ import annotations

import html
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from spacy_cardioner.errors import CardionerError, plain
from spacy_cardioner.files import RESOURCES

STYLE = RESOURCES / "view.css"

# The labels with a colour of their own, which is that of the class `l0` and so on in the style. Any
# other label has one of the colours after these.
LABELS = ("ENFERMEDAD", "FARMACO", "SINTOMA", "PROCEDIMIENTO")
OTHERS = 4
# The words of the legend for the context of a mention, in its order. In the text, the style has
# them.
WORDS = {
    "negated": "negated",
    "uncertain": "uncertain",
    "historical": "past",
    "hypothetical": "hypothetical",
    "family": "family",
    "allergy": "allergy",
}
DEEPEST = 4  # nested mentions that differ in height

# What the text of an element cannot hold as it is, and characters that are not seen, or that change
# the direction of what follows them.
SPECIAL = re.compile(
    r"[&<>\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    r"\ufeff\ufff9-\ufffb]"
)
# HTML has no way to write NUL.
ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\0": "\ufffd"}

PAGE_HEAD = """<!DOCTYPE html>
<html lang="en" translate="no">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="google" content="notranslate">
<title>{title}</title>
<style>
{style}</style>
</head>
<body class="cardioner-page">
<main>
<h1>{title}</h1>
"""
PAGE_FOOT = "</main>\n</body>\n</html>\n"


def page_head(title: str, style: str = "") -> str:
    """The start of a page, with its title and the style. Pictures follow, and `PAGE_FOOT`.

    style (str): What comes after the style of the fragments.
    """
    return PAGE_HEAD.format(title=_content(plain(title)), style=read_style() + style)


@cache
def read_style() -> str:
    """The style sheet of the fragments."""
    return STYLE.read_text(encoding="utf-8")


def displacy_colors() -> dict[str, str]:
    """The colours of our labels for displaCy, which finds them by the entry point."""
    return {label: fill_of(label) for label in LABELS}


def fill_of(label: str) -> str:
    """The colour of a label on a light page."""
    fills = re.findall(r"\.l(\d) \{ --fill: (#\w{6})", read_style())
    light = {int(number): fill for number, fill in reversed(fills)}  # the first are the light ones
    return light[colour_of(label)]


def colour_of(label: str) -> int:
    """The number of the colour of a label, the same in every picture."""
    if label in LABELS:
        return LABELS.index(label)
    return len(LABELS) + zlib.crc32(label.encode("utf-8", "replace")) % OTHERS


def draw(
    text: str,
    mentions: Sequence[Any],
    *,
    title: str = "",
    place: str = "",
    lang: str = "",
    sections: Iterable[tuple[int, str]] = (),
    names: Mapping[str, str] | None = None,
) -> str:
    """Draw a note.

    mentions (Sequence[Any]): Its mentions: `batch.mentions.Mention`, `spans.Entity`, or anything
        with the same attributes, of which all after the label may be missing. They may overlap.
    title, place (str): What it is called, and where it was read.
    lang (str): Its language, for screen readers.
    sections (Iterable[tuple[int, str]]): Where sections start, and their categories.
    names (Mapping[str, str] | None): The names of codes.
    RETURNS (str): An `article` with a legend and the text. NUL characters become U+FFFD, as HTML
        cannot hold them.
    RAISES (CardionerError): A mention is empty, or not in the text.
    """
    if not all(0 <= mention.start < mention.end <= len(text) for mention in mentions):
        raise CardionerError("a mention is empty, or not in the text: is it of another note?")
    heading = f"<h2>{_content(title)}</h2>\n" if title else ""
    heading += f'<p class="place">{_content(place)}</p>\n' if place else ""
    lang = f' lang="{_attribute(lang)}"' if lang else ""
    body = _Body(text, names or {}).draw(mentions, sections)
    return (
        f'<article class="cardioner">\n{heading}{_legend(mentions)}'
        f'<div class="text"{lang}>{body}</div>\n</article>\n'
    )


def _legend(mentions: Iterable[Any]) -> str:
    """The labels and the kinds of context that occur, with their numbers."""
    labels = Counter(mention.label for mention in mentions)
    context = Counter(word for mention in mentions for word in _context(mention))
    if not labels:
        return '<p class="legend">no mentions</p>\n'
    entries = [
        f'<li><span class="l{colour_of(label)}">{_content(label)}</span> {labels[label]}</li>'
        for label in sorted(labels, key=lambda label: (colour_of(label), label))
    ]
    entries += [
        f'<li><span class="context">{word}</span> {context[name]}</li>'
        for name, word in WORDS.items()
        if name in context
    ]
    return f'<ul class="legend" aria-label="Legend">{"".join(entries)}</ul>\n'


class _Piece:
    """A part of a mention that is an element: all of it, unless another mention crosses it.

    first (bool): Whether the mention starts with it.
    index (int): Where its start tag comes in the output.
    height (int): The number of nested elements, itself included.
    """

    def __init__(self, mention: Any, index: int, *, first: bool) -> None:
        self.mention = mention
        self.first = first
        self.index = index
        self.height = 1


class _Body:
    """Writes a text from its start to its end, and elements for its mentions."""

    def __init__(self, text: str, names: Mapping[str, str]) -> None:
        self.text = text
        self.names = names
        self.parts: list[str] = []
        self.place = 0
        self.open: list[_Piece] = []  # the outermost first

    def draw(self, mentions: Iterable[Any], sections: Iterable[tuple[int, str]]) -> str:
        """RETURNS (str): The content of an element whose text is that of the note."""
        ordered = sorted(mentions, key=lambda one: (one.start, -one.end, one.label))
        titles = sorted(sections, reverse=True)
        for mention in ordered:
            while titles and titles[-1][0] <= mention.start:
                self._section(*titles.pop())
            self._advance(mention.start)
            self._open(mention, first=True)
        while titles:
            self._section(*titles.pop())
        self._advance(len(self.text))
        return "".join(self.parts)

    def _section(self, start: int, category: str) -> None:
        self._advance(start)
        self.parts.append(f'<b data-section="{_attribute(category.replace("_", " "))}"></b>')

    def _advance(self, place: int) -> None:
        """Write the text up to a place, and end the mentions that end before or there.

        An element that another one crosses ends with it, and goes on in an element after it.
        """
        while ends := [piece.mention.end for piece in self.open if piece.mention.end <= place]:
            end = min(ends)
            self._write(end)
            outermost = next(i for i, one in enumerate(self.open) if one.mention.end == end)
            closed = self.open[outermost:]
            going_on = [piece.mention for piece in closed if piece.mention.end > end]
            for piece in reversed(closed):
                self._close(piece, more=piece.mention.end > end)
            for mention in sorted(going_on, key=lambda one: -one.end):
                self._open(mention, first=False)
        self._write(place)

    def _write(self, end: int) -> None:
        self.parts.append(_content(self.text, self.place, end))
        self.place = end

    def _open(self, mention: Any, *, first: bool) -> None:
        self.open.append(_Piece(mention, len(self.parts), first=first))
        self.parts.append("")
        if first:
            self.parts += [f'<i class="{name}"></i>' for name in _context(mention)]

    def _close(self, piece: _Piece, *, more: bool) -> None:
        self.open.pop()
        self.parts[piece.index] = self._tag(piece, more=more)
        self.parts.append("</mark>")
        if self.open:
            self.open[-1].height = max(self.open[-1].height, piece.height + 1)

    def _tag(self, piece: _Piece, *, more: bool) -> str:
        """The start tag. The first of several pieces has the data of the mention."""
        mention, height = piece.mention, min(piece.height, DEEPEST)
        classes = [
            f"l{colour_of(mention.label)}",
            *([f"n{height}"] if height > 1 else []),
            *_context(mention),
            *(["cont"] if not piece.first else []),
            *(["more"] if more else []),
        ]
        data: dict[str, Any] = {"data-label": mention.label}
        if piece.first:
            data |= {"data-start": mention.start, "data-end": mention.end, "tabindex": 0}
        if code := getattr(mention, "kb_id", ""):
            data["data-code"] = code
        values = "".join(f' {name}="{_attribute(value)}"' for name, value in data.items())
        title = "&#10;".join(map(_attribute, _details(mention, self.names)))
        return f'<mark class="{" ".join(classes)}"{values} title="{title}">'


def _context(mention: Any) -> list[str]:
    return [name for name in WORDS if getattr(mention, name, None)]


def _details(mention: Any, names: Mapping[str, str]) -> list[str]:
    """What is known of a mention, in lines."""
    code, match = getattr(mention, "kb_id", ""), getattr(mention, "match", None)
    score, section = getattr(mention, "score", None), getattr(mention, "section", None)
    lines = [", ".join([mention.label, *(WORDS[name] for name in _context(mention))])]
    if code:
        lines.append(" ".join(filter(None, [code, names.get(code), match and f"({match})"])))
    if score is not None:
        lines.append(f"score {score:.2f}")
    if section:
        lines.append(f"section: {section.replace('_', ' ')}")
    return lines


def _attribute(value: object) -> str:
    """The value of an attribute: control characters and signs of direction are spelled out."""
    return html.escape(plain(str(value)))


def _content(text: str, start: int = 0, end: int | None = None) -> str:
    """A part of a text as the content of an element, with signs for what is not seen."""

    def written(match: re.Match[str]) -> str:
        char = match[0]
        if char in ESCAPED:
            return ESCAPED[char]
        if char == "\r":
            # Browsers break lines only at line feeds, and would change a bare carriage return.
            after = start + match.end()
            return "&#13;" if text[after : after + 1] == "\n" else "<u data-u>&#13;</u>"
        return f'<u data-u="U+{ord(char):04X}">{char}</u>'

    return SPECIAL.sub(written, text[start:end])
