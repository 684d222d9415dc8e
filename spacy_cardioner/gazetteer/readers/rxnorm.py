"""RxNorm: the table RXNCONSO.RRF, or a plain list of type, number and name.

source: https://www.nlm.nih.gov/research/umls/rxnorm/docs/techdoc.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from spacy_cardioner.gazetteer.names import Kind, Name, is_atc
from spacy_cardioner.gazetteer.tables import Table, TableRegistry

# Ingredient, precise ingredient, several ingredients, brand name. Other types have doses.
TYPES: dict[str, Kind] = {
    "IN": "ingredient",
    "PIN": "ingredient",
    "MIN": "ingredient",
    "BN": "brand",
}
TITLE = "RxNorm's RXNCONSO.RRF, or its list of type, number and name"
LIST = Table(
    TITLE,
    "\t",
    {"type": "type", "number": "number", "name": "name"},
    quoted=False,
    unique=["number"],
    header=["type", "number", "name"],
    first_line=re.compile(r"(?:BN|IN|PIN|MIN)\t\d+\t[^\t]+$"),
)
RRF = Table(
    TITLE,
    "|",
    {
        "number": "rxcui",
        "lang": "lat",
        "atom": "rxaui",
        "vocabulary": "sab",
        "type": "tty",
        "code": "code",
        "name": "str",
        "suppressed": "suppress",
    },
    quoted=False,
    unique=["atom"],
    header="rxcui lat ts lui stt sui ispref rxaui saui scui sdui sab tty code str srl suppress "
    "cvf".split(),
    first_line=re.compile(r"C?\d+\|[A-Z]{3}\|(?:[^|]*\|){15}[^|]*\|?$"),
)


def _names(path: Path, table: Table) -> Iterator[Name]:
    yield from _rrf_names(path) if table is RRF else _list_names(path)


def _list_names(path: Path) -> Iterator[Name]:
    for row in LIST.rows(path):
        if row.cells["type"] not in TYPES:
            raise row.error(
                f"not a type ({', '.join(TYPES)}), a number and a name delimited by tabs; fix the "
                "line"
            )
        yield _name(row.cells)


def _rrf_names(path: Path) -> Iterator[Name]:
    # The full release has the ATC codes of substances as names of another vocabulary.
    codes = {
        row.cells["number"]: row.cells["code"]
        for row in RRF.rows(path)
        if row.cells["vocabulary"] == "ATC" and is_atc(row.cells["code"])
    }
    for row in RRF.rows(path):
        cells = row.cells
        wanted = cells["vocabulary"] == "RXNORM" and cells["type"] in TYPES
        if wanted and cells["lang"] == "ENG" and cells["suppressed"] in ("N", ""):
            yield _name(cells, codes.get(cells["number"], ""))


def _name(cells: dict[str, str], code: str = "") -> Name:
    text, number, kind = cells["name"], cells["number"], TYPES[cells["type"]]
    if kind == "brand":
        return Name(text, kind, "rxnorm", number)
    return Name(text, kind, "rxnorm", number, lang="en", code=code)


RXNORM = TableRegistry(LIST.title, [LIST, RRF], _names)
