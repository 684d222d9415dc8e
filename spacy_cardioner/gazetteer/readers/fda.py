"""Drugs@FDA: the file Products.txt.

source: https://www.fda.gov/drugs/drug-approvals-and-databases/drugsfda-data-files
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spacy_cardioner.gazetteer.names import Name, product_names
from spacy_cardioner.gazetteer.tables import Table, TableRegistry

PRODUCTS = Table(
    "Products.txt of Drugs@FDA",
    "\t",
    {
        "application": "applno",
        "product": "productno",
        "name": "drugname",
        "substances": "activeingredient",
    },
    quoted=False,
    unique=["application", "product"],
)


def _names(path: Path, table: Table) -> Iterator[Name]:
    for row in table.rows(path):
        cells = row.cells
        parts = map(str.strip, cells["substances"].split(";"))
        yield from product_names(
            "/".join(filter(None, parts)),
            cells["name"],
            source="fda",
            source_id=cells["application"],
            lang="en",
        )


FDA = TableRegistry(PRODUCTS.title, [PRODUCTS], _names)
