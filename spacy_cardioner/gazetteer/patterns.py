"""The patterns file: one name a line in JSONL, as spaCy's rulers read it too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple

import srsly

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.gazetteer.names import KINDS

LABEL = "FARMACO"


class Pattern(NamedTuple):
    """A name as it is looked for.

    text (str): The name. An abbreviation is found in its own capitals alone, or all in capitals.
    id (str): Its ATC code or, without one, the registry and the registry's own id.
    kind (str): One of `names.KINDS`.
    also (tuple[str, ...]): The codes of an ambiguous name that are less likely than `id`.
    label (str): The entities' label.
    """

    text: str
    id: str = ""
    kind: str = "ingredient"
    also: tuple[str, ...] = ()
    label: str = LABEL

    @property
    def candidates(self) -> list[str]:
        """All ids, the likeliest first."""
        return [self.id, *self.also] if self.id else []

    def to_dict(self) -> dict[str, Any]:
        """The pattern as spaCy's rulers take it, with what they leave alone."""
        found: dict[str, Any] = {"label": self.label, "pattern": self.text}
        if self.id:
            found["id"] = self.id
        if self.also:
            found["also"] = list(self.also)
        if self.kind != "ingredient":
            found["kind"] = self.kind
        return found


def to_pattern(entry: Mapping[str, Any], where: str = "pattern") -> Pattern:
    """Check a pattern given as a dict and turn it into a `Pattern`.

    entry (Mapping[str, Any]): "label" and "pattern"; if need be "id", "kind", and "also".
    where (str): Where it comes from, for the message.
    RETURNS (Pattern): The pattern.
    RAISES (CardionerError): It is no string pattern, or of no known kind.
    """
    if not isinstance(entry, Mapping) or not isinstance(entry.get("pattern"), str):
        raise CardionerError(
            f'{where}: the gazetteer needs "pattern" to be a string; lists of tokens are for '
            "spaCy's rulers"
        )
    kind, also = entry.get("kind", "ingredient"), entry.get("also", ())
    texts = [entry.get("label", LABEL), entry.get("id") or "", *also]
    if not all(isinstance(text, str) for text in texts) or isinstance(also, str):
        raise CardionerError(f'{where}: "label", "id" and each of "also" must be strings')
    if kind not in KINDS:
        raise CardionerError(f"{where}: {kind!r} is no kind of name; write one of {KINDS}")
    # A list has each of these many times.
    label, identity, *others = map(intern, texts)
    return Pattern(entry["pattern"], identity, intern(kind), tuple(others), label)


def read_patterns(path: Path) -> Iterator[Pattern]:
    """Read a patterns file line by line.

    path (Path): The file.
    RETURNS (Iterator[Pattern]): Its patterns.
    RAISES (CardionerError): The file cannot be read, or one of its lines.
    """
    number = 0
    try:
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield to_pattern(srsly.json_loads(line), f"{path}:{number}")
    except (OSError, ValueError) as error:
        raise CardionerError(f"{path}:{number}: cannot be read as JSONL ({error})") from error


def dump_patterns(patterns: Iterable[Pattern]) -> str:
    """Patterns as the text of a patterns file."""
    return "".join(f"{srsly.json_dumps(pattern.to_dict())}\n" for pattern in patterns)
