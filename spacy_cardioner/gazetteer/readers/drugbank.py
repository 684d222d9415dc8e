"""DrugBank's open vocabulary.

source: https://go.drugbank.com/releases/latest#open-data
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spacy_cardioner.gazetteer.names import Name
from spacy_cardioner.gazetteer.tables import Ids, Layout, find_separator, read_table

TITLE = "DrugBank's open vocabulary"

# DrugBank gives commas; copies with semicolons are about.
LAYOUT = Layout(",;", {"id": "drugbank id", "name": "common name", "synonyms": "synonyms"})


def recognises(head: list[str]) -> bool:
    """Whether these are the vocabulary's first lines."""
    return find_separator(head, LAYOUT) is not None


def read(path: Path) -> Iterator[Name]:
    """Read the substances with their synonyms."""
    ids = Ids(path)
    for line, cells in read_table(path, LAYOUT, TITLE):
        ids.add(cells["id"], line)
        for text in [cells["name"], *cells["synonyms"].split(" | ")]:
            if text:
                yield Name(
                    text=text,
                    kind="ingredient",
                    source="drugbank",
                    source_id=cells["id"],
                    lang="en",
                    substance=cells["name"],
                )
