"""DrugBank's open vocabulary.

source: https://go.drugbank.com/releases/latest#open-data
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spacy_cardioner.gazetteer.names import Name
from spacy_cardioner.gazetteer.tables import Table, TableRegistry

VOCABULARY = Table(
    "DrugBank's open vocabulary",
    ",;",  # DrugBank uses commas; there are copies with semicolons.
    {"id": "drugbank id", "name": "common name", "synonyms": "synonyms"},
    unique=["id"],
)


def _names(path: Path, table: Table) -> Iterator[Name]:
    for row in table.rows(path):
        name = row.cells["name"]
        for text in filter(None, [name, *row.cells["synonyms"].split(" | ")]):
            yield Name(text, "ingredient", "drugbank", row.cells["id"], lang="en", substance=name)


DRUGBANK = TableRegistry(VOCABULARY.title, [VOCABULARY], _names)
