"""Drugs@FDA: the file Products.txt.

source: https://www.fda.gov/drugs/drug-approvals-and-databases/drugsfda-data-files
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from spacy_cardioner.gazetteer.names import Name
from spacy_cardioner.gazetteer.tables import Ids, Layout, find_separator, read_table

TITLE = "Products.txt of Drugs@FDA"

LAYOUT = Layout(
    "\t",
    {
        "application": "applno",
        "product": "productno",
        "name": "drugname",
        "substances": "activeingredient",
    },
    quoted=False,
)


def recognises(head: list[str]) -> bool:
    """Whether these are the file's first lines."""
    return find_separator(head, LAYOUT) is not None


def read(path: Path) -> Iterator[Name]:
    """Read the products and their substances."""
    ids = Ids(path)
    for line, cells in read_table(path, LAYOUT, TITLE):
        ids.add(f"{cells['application']}/{cells['product']}", line)
        parts = [part.strip() for part in cells["substances"].split(";")]
        substances = "/".join(part for part in parts if part)
        name = Name(
            text=substances,
            kind="ingredient",
            source="fda",
            source_id=cells["application"],
            lang="en",
            substance=substances,
            cased=False,
        )
        if name.text:
            yield name
        if cells["name"]:
            yield replace(name, text=cells["name"], kind="brand", lang="")
