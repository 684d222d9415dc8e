"""Lists of the Italian Medicines Agency (AIFA): class A, class H, and equivalents.

source: https://www.aifa.gov.it/liste-farmaci-a-h, https://www.aifa.gov.it/liste-di-trasparenza
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from spacy_cardioner.gazetteer.names import Name, is_atc, product_names
from spacy_cardioner.gazetteer.tables import Table, TableRegistry

CLASSES = Table(
    "a list of AIFA (class A, class H or equivalents)",
    ";",
    {
        "substance": "principio attivo",
        "name": "denominazione e confezione",
        "company": "titolare aic",
        "id": "codice aic",
    },
    unique=["id"],
)
# Class A is also published without a header.
BARE = replace(
    CLASSES,
    header=["principio attivo", "", "denominazione e confezione", "", "titolare aic", "codice aic"],
    first_line=re.compile(r"[^;]+;[^;]+;[^;]*\*[^;]*;[^;]*;[^;]*;\d{6,9};"),
)
EQUIVALENTS = replace(
    CLASSES,
    columns={
        "substance": "principio attivo",
        "code": "atc",
        "id": "aic",
        "name": "farmaco",
        "company": "ditta",
    },
)
AIC = re.compile(r"\d{6,9}")


def _names(path: Path, table: Table) -> Iterator[Name]:
    for row in table.rows(path):
        cells = row.cells
        if not AIC.fullmatch(cells["id"]):
            raise row.error(
                "the code AIC is not a number; a cell may contain a delimiter: fix the line"
            )
        code = cells.get("code", "")
        yield from product_names(
            cells["substance"],
            cells["name"],
            source="aifa",
            source_id=cells["id"],
            lang="it",
            code=code if is_atc(code) else "",
            company=cells["company"],
        )


AIFA = TableRegistry(CLASSES.title, [CLASSES, EQUIVALENTS, BARE], _names)
