"""The Italian Medicines Agency's lists: class A, class H, and equivalents.

source: https://www.aifa.gov.it/liste-farmaci-a-h, https://www.aifa.gov.it/liste-di-trasparenza
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from spacy_cardioner.gazetteer.names import Name, is_atc
from spacy_cardioner.gazetteer.tables import (
    Ids,
    Layout,
    RegistryError,
    Row,
    find_separator,
    read_cells,
    read_head,
    read_table,
)

TITLE = "a list of AIFA (class A, class H or equivalents)"

CLASSES = Layout(
    ";",
    {
        "substance": "principio attivo",
        "name": "denominazione e confezione",
        "company": "titolare aic",
        "id": "codice aic",
    },
)
EQUIVALENTS = Layout(
    ";",
    {
        "substance": "principio attivo",
        "code": "atc",
        "id": "aic",
        "name": "farmaco",
        "company": "ditta",
    },
)
# Class A is also published without a header; this is what its lines look like.
BARE = re.compile(r"[^;]+;[^;]+;[^;]*\*[^;]*;[^;]*;[^;]*;\d{6,9};")
BARE_COLUMNS = {"substance": 0, "name": 2, "company": 4, "id": 5}
AIC = re.compile(r"\d{6,9}")


def recognises(head: list[str]) -> bool:
    """Whether these are a list's first lines."""
    return _is_bare(head) or any(find_separator(head, layout) for layout in (CLASSES, EQUIVALENTS))


def read(path: Path) -> Iterator[Name]:
    """Read the substances and the products of a list."""
    ids = Ids(path)
    for line, cells in _rows(path):
        if not AIC.fullmatch(cells["id"]):
            raise RegistryError(
                f"{path}:{line}: the code AIC is not a number; a cell of this line may hold a "
                "separator: mend the line"
            )
        ids.add(cells["id"], line)
        code = cells.get("code", "")
        name = Name(
            text=cells["substance"],
            kind="ingredient",
            source="aifa",
            source_id=cells["id"],
            lang="it",
            code=code if is_atc(code) else "",
            substance=cells["substance"],
            cased=False,
        )
        yield name
        yield Name(
            text=cells["name"],
            kind="brand",
            source="aifa",
            source_id=cells["id"],
            code=name.code,
            substance=name.text,
            company=cells["company"],
            cased=False,
        )


def _rows(path: Path) -> Iterator[Row]:
    head = read_head(path)
    if not _is_bare(head):
        layout = EQUIVALENTS if find_separator(head, EQUIVALENTS) else CLASSES
        yield from read_table(path, layout, TITLE)
        return
    for line, cells in read_cells(path, ";"):
        if len(cells) <= max(BARE_COLUMNS.values()):
            raise RegistryError(
                f"{path}:{line}: {len(cells)} columns, where the lines before have more; the file "
                "may be cut off: download it again, or mend the line"
            )
        yield Row(line, {field: cells[place].strip() for field, place in BARE_COLUMNS.items()})


def _is_bare(head: list[str]) -> bool:
    return bool(head) and BARE.match(head[0]) is not None
