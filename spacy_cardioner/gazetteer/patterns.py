"""Patterns files: JSONL with one name per line, which spaCy's rulers can read too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple

import srsly

from spacy_cardioner.errors import CardionerError, shown
from spacy_cardioner.gazetteer.names import KINDS, TERM, fault_of
from spacy_cardioner.spans import vocabulary_of
from spacy_cardioner.texts import read_jsonl

LABEL = "FARMACO"
# Where a pipeline keeps its patterns, in the folder of the gazetteer.
PATTERNS_FILE = "patterns.jsonl"


class Pattern(NamedTuple):
    """A name to look for.

    text (str): The name. An abbreviation is found only in its own capitals, or all in capitals.
    id (str): Its ATC code or, without one, the vocabulary or registry and its own id, with a colon
        between them.
    kind (str): One of `names.KINDS`, or `names.TERM`.
    also (tuple[str, ...]): Less likely codes of an ambiguous name; without an id, all its codes.
    always (bool): Whether it is an entity wherever it occurs, however precise the name is.
    """

    text: str
    id: str = ""
    kind: str = "ingredient"
    also: tuple[str, ...] = ()
    label: str = LABEL
    always: bool = False

    @property
    def candidates(self) -> list[str]:
        """All ids, the likeliest first."""
        return [code for code in (self.id, *self.also) if code]

    def to_dict(self) -> dict[str, Any]:
        """The pattern as spaCy's rulers take it, with keys of our own, which they ignore."""
        own = {
            "id": self.id,
            "also": list(self.also),
            "kind": self.kind if self.kind != "ingredient" else "",
            "always": self.always,
        }
        given = {key: value for key, value in own.items() if value}
        return {"label": self.label, "pattern": self.text, **given}


def to_pattern(entry: Mapping[str, Any], where: str = "pattern") -> Pattern:
    """Make a pattern from a dict.

    entry (Mapping[str, Any]): "label" and "pattern"; optionally "id", "kind", "also", "always".
    RAISES (CardionerError): It is not a string pattern, or a value is invalid.
    """
    if not isinstance(entry, Mapping) or not isinstance(entry.get("pattern"), str):
        raise CardionerError(
            f'{where}: the gazetteer needs "pattern" to be a string; lists of tokens are for '
            "spaCy's rulers"
        )
    name, kind, also = entry["pattern"], entry.get("kind", "ingredient"), entry.get("also", ())
    if fault := fault_of(name):
        raise CardionerError(f"{where}: {shown(name)} is not a name: {fault}")
    if not isinstance(also, list | tuple):
        raise CardionerError(f'{where}: "also" must be a list')
    texts = [entry.get("label", LABEL), entry.get("id") or "", *also]
    if not all(isinstance(text, str) for text in texts):
        raise CardionerError(f'{where}: "label", "id" and each of "also" must be strings')
    if kind not in (*KINDS, TERM):
        raise CardionerError(
            f"{where}: {shown(kind)} is not a kind of name; use one of {', '.join((*KINDS, TERM))}"
        )
    if kind == TERM and not all(map(vocabulary_of, filter(None, texts[1:]))):
        raise CardionerError(
            f"{where}: the id of a term needs its vocabulary before it, such as ICD10:I21"
        )
    # A list repeats each of these many times.
    label, identity, *others = map(intern, texts)
    check_label(label, where)
    always = entry.get("always", False)
    if not isinstance(always, bool):
        raise CardionerError(f'{where}: "always" must be true or false')
    return Pattern(name, identity, intern(kind), tuple(others), label, always)


def check_label(label: str, where: str) -> None:
    """Check the label of a name. RAISES (CardionerError): No format of annotations can hold it."""
    if not label or " " in label or not label.isprintable():
        raise CardionerError(
            f"{where}: {shown(label)} is not a label: it is empty, or has spaces or control "
            "characters"
        )


def read_patterns(path: Path) -> Iterator[Pattern]:
    """Read a patterns file line by line.

    RAISES (CardionerError): The file or one of its lines cannot be read.
    """
    for number, row in read_jsonl(path):
        yield to_pattern(row, f"{path}:{number}")


def dump_patterns(patterns: Iterable[Pattern]) -> str:
    """The text of a patterns file."""
    return "".join(f"{srsly.json_dumps(pattern.to_dict())}\n" for pattern in patterns)
