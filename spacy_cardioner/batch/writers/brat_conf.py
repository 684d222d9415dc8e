"""What brat needs to show a folder.

``annotation.conf`` has its labels and attributes with their values, ``visual.conf`` their colours
and signs.

brat marks what these files do not list as an error. It shows codes (N lines) without more files.

source: https://brat.nlplab.org/configuration.html
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from spacy_cardioner.batch.mentions import CONTEXT
from spacy_cardioner.view import fill_of

if TYPE_CHECKING:
    from spacy_cardioner.batch.mentions import Mention

# The first line of our files. Others are the user's.
OURS = "# Written by spacy_cardioner. Remove this line to keep your changes.\n"
ANNOTATION, VISUAL = "annotation.conf", "visual.conf"
LABEL = "label"
# How brat writes names of types, and values that do not end its lists.
TYPE = re.compile(r"[A-Za-z0-9_-]*[A-Za-z0-9][A-Za-z0-9_-]*")
VALUE = re.compile(r"[^\s,|<>]+")
# Attributes of brat that are not the capitalized field.
SIGNS = {
    "Negated": "box:crossed, glyph:<NONE>",
    "Uncertain": "dashArray:3-3, glyph:?",
    "Historical": "glyph:↶",
    "Hypothetical": "glyph:◇",
    "Family": "glyph:⚭",
    "Allergy": "glyph:⚠",
}
# A score as brat shows it: the values of an attribute must be listed.
SCORES = [f"{number / 100:.2f}" for number in range(101)]

# The name of an attribute and a value, or `LABEL` and a label.
Known = frozenset[tuple[str, str]]


def attributes(mention: Mention) -> dict[str, bool | str]:
    """The attributes of a mention in brat. Its code, with its vocabulary, is no attribute."""
    return {
        name.capitalize(): value if isinstance(value, bool) else _word(value)
        for name, value in mention.attributes.items()
        if name not in ("kb_id", "vocabulary")
    }


def known(mentions: Iterable[Mention]) -> Known:
    """What the configuration of a folder with these mentions lists."""
    found = set()
    for mention in mentions:
        values = {**attributes(mention), LABEL: mention.label}
        found |= {(name, value) for name, value in values.items() if isinstance(value, str)}
    return frozenset(one for one in found if _listable(*one))


class Configuration:
    """The configuration of a folder. Files that spacy_cardioner did not write stay as they are.

    known (set[tuple[str, str]]): What it has to list.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.known = set(_read(folder / ANNOTATION))
        self._written: Known | None = None

    def changed(self) -> dict[Path, bytes]:
        """The files to write, with their contents."""
        listed = frozenset(self.known)
        if self._written == listed:
            return {}
        self._written = listed
        texts = {ANNOTATION: annotation_conf(listed), VISUAL: visual_conf(listed)}
        files = {self.folder / name: (OURS + text).encode() for name, text in texts.items()}
        return {path: content for path, content in files.items() if _is_ours(path)}


def annotation_conf(listed: Known) -> str:
    """The labels, and the attributes with their values."""
    values: dict[str, list[str]] = {}
    for name, value in sorted(listed):
        values.setdefault(name, []).append(value)
    if "Score" in values:
        values["Score"] = SCORES
    lines = ["[entities]", *values.pop(LABEL, []), "[relations]"]
    lines.append("<OVERLAP>\tArg1:<ENTITY>, Arg2:<ENTITY>, <OVL-TYPE>:<ANY>")
    lines += ["[events]", "[attributes]"]
    lines += (f"{name.capitalize()}\tArg:<ENTITY>" for name in CONTEXT)
    lines += (f"{name}\tArg:<ENTITY>, Value:{'|'.join(each)}" for name, each in values.items())
    return "".join(f"{line}\n" for line in lines)


def visual_conf(listed: Known) -> str:
    """The colours of the labels, and the signs of the attributes."""
    labels = sorted(value for name, value in listed if name == LABEL)
    lines = ["[labels]", *(f"{one} | {one} | {one[:4]} | {one[0]}" for one in labels), "[drawing]"]
    lines.append("SPAN_DEFAULT\tfgColor:black, bgColor:#e8e8e8, borderColor:darken")
    lines.append("ARC_DEFAULT\tcolor:black, arrowHead:triangle-5")
    lines.append("ATTRIBUTE_DEFAULT\tglyph:*")
    lines += (f"{label}\tbgColor:{fill_of(label)}" for label in labels)
    lines += (f"{name}\t{SIGNS.get(name, 'glyph:*')}" for name in map(str.capitalize, CONTEXT))
    # Attributes with values are in the window of the entity alone.
    valued = sorted({name for name, _ in listed} - {LABEL})
    lines += (f"{name}\tposition:right, glyph:<NONE>" for name in valued)
    return "".join(f"{line}\n" for line in lines)


def _read(path: Path) -> Known:
    """What our configuration of earlier notes lists."""
    if not (path.is_file() and _is_ours(path)):
        return frozenset()
    text = path.read_text(encoding="utf-8", errors="replace")
    entities = text.partition("[entities]\n")[2].partition("[")[0].splitlines()
    attributes = re.findall(r"^(\w+)\t.*Value:(.*)$", text, re.MULTILINE)
    values = ((name, value) for name, listed in attributes for value in listed.split("|"))
    return frozenset([*((LABEL, label) for label in entities), *values])


def _is_ours(path: Path) -> bool:
    """Whether a file is not there, or is one that we wrote."""
    if path.is_symlink() or not path.is_file():
        return not os.path.lexists(path)
    with path.open("rb") as stream:
        return stream.readline() == OURS.encode()


def _listable(name: str, value: str) -> bool:
    return bool((TYPE if name == LABEL else VALUE).fullmatch(value))


def _word(value: object) -> str:
    """A value as one word, as brat requires."""
    return f"{value:.2f}" if isinstance(value, float) else "_".join(str(value).split())
