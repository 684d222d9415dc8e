"""Ontologies in OBO format, such as hp.obo, mondo.obo and doid.obo.

source: https://owlcollab.github.io/oboformat/doc/GO.format.obo-1_4.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.gazetteer.names import Name
from spacy_cardioner.gazetteer.tables import Row, read_head, read_lines

_SYNONYM = re.compile(r'"((?:[^"\\]|\\.)*)" EXACT\b')
_ESCAPED = re.compile(r"\\(.)")


class Obo:
    """Reads the names and exact synonyms of the terms that are not obsolete."""

    title = "an ontology in OBO format, such as hp.obo"

    def recognises(self, head: Sequence[str]) -> bool:
        """Whether these are the first lines of an ontology."""
        return bool(head) and head[0].startswith("format-version:")

    def read(self, path: Path) -> Iterator[Name]:
        """Read the names. Terms that it imports from other ontologies are left out.

        RAISES (CardionerError): It is not an ontology, or a term is invalid.
        """
        if not self.recognises(read_head(path)):
            raise CardionerError(f"{path}: not {self.title}: it does not start with format-version")
        own = ""
        found: list[Name] = []
        code, stanza = "", ""
        for number, line in enumerate(read_lines(path), 1):
            tag, _, value = line.strip().partition(": ")
            if tag.startswith("["):
                yield from found
                found, code, stanza = [], "", tag
            elif tag == "ontology":
                own = value.upper()
            elif stanza != "[Term]":
                continue
            elif tag == "id":
                code = value if own in ("", value.partition(":")[0].upper()) else ""
            elif tag == "is_obsolete" and value == "true":
                found, code = [], ""
            elif code and (text := _name(tag, value)):
                row = Row(path, number, {})
                found.append(row.term(text, code, "obo", "en", tag == "name"))
        yield from found


def _name(tag: str, value: str) -> str:
    """The name that a line gives, or ""."""
    synonym = _SYNONYM.match(value) if tag == "synonym" else None
    text = synonym[1] if synonym else value if tag == "name" else ""
    return _ESCAPED.sub(r"\1", text)
