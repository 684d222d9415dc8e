"""RxNorm: the table RXNCONSO.RRF, or a plain list of type, number and name.

source: https://www.nlm.nih.gov/research/umls/rxnorm/docs/techdoc.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from spacy_cardioner.gazetteer.names import Kind, Name, is_atc
from spacy_cardioner.gazetteer.tables import Ids, RegistryError, read_cells, read_head

TITLE = "RxNorm's RXNCONSO.RRF, or its list of type, number and name"

# Ingredient, precise ingredient, several ingredients, brand name. Other types have doses.
TYPES: dict[str, Kind] = {
    "IN": "ingredient",
    "PIN": "ingredient",
    "MIN": "ingredient",
    "BN": "brand",
}
LIST_LINE = re.compile(r"(?:BN|IN|PIN|MIN)\t\d+\t[^\t]+$")
RRF_COLUMNS = 18
RRF_LINE = re.compile(r"C?\d+\|[A-Z]{3}\|(?:[^|]*\|){15}[^|]*\|?$")
NUMBER, LANGUAGE, ATOM, VOCABULARY, TYPE, CODE, TEXT, SUPPRESSED = 0, 1, 7, 11, 12, 13, 14, 16


def recognises(head: list[str]) -> bool:
    """Whether these are the table's or the list's first lines."""
    return bool(head) and (_matches(RRF_LINE, head[0]) or _matches(LIST_LINE, head[0]))


def read(path: Path) -> Iterator[Name]:
    """Read the ingredients and brands, with the ATC codes that the full release has."""
    first = read_head(path)[0]
    if _matches(LIST_LINE, first):
        yield from _read_list(path)
    elif _matches(RRF_LINE, first):
        yield from _read_rrf(path)
    else:
        raise RegistryError(
            f"{path}:1: this is not {TITLE}: the line has neither {RRF_COLUMNS} columns parted by "
            "bars nor three columns parted by tabs"
        )


def _matches(pattern: re.Pattern[str], line: str) -> bool:
    return pattern.match(line.rstrip("\r\n")) is not None


def _read_list(path: Path) -> Iterator[Name]:
    ids = Ids(path)
    for line, cells in read_cells(path, "\t", quoted=False):
        if len(cells) < 3 or cells[0] not in TYPES:
            raise RegistryError(
                f"{path}:{line}: not a type ({', '.join(TYPES)}), a number and a name parted by "
                "tabs; the file may be cut off: download it again, or mend the line"
            )
        kind, number, text = (cell.strip() for cell in cells[:3])
        ids.add(number, line)
        yield _name(text, TYPES[kind], number)


def _read_rrf(path: Path) -> Iterator[Name]:
    codes = dict(_read_codes(path))
    atoms = Ids(path)
    for line, cells in read_cells(path, "|", quoted=False):
        if len(cells) < RRF_COLUMNS:
            raise RegistryError(
                f"{path}:{line}: {len(cells)} columns, where RXNCONSO.RRF has {RRF_COLUMNS}; the "
                "file may be cut off: download it again"
            )
        atoms.add(cells[ATOM], line)
        wanted = cells[VOCABULARY] == "RXNORM" and cells[TYPE] in TYPES
        if wanted and cells[LANGUAGE] == "ENG" and cells[SUPPRESSED] in ("N", ""):
            kind = TYPES[cells[TYPE]]
            code = codes.get(cells[NUMBER], "") if cells[TYPE] != "BN" else ""
            yield _name(cells[TEXT].strip(), kind, cells[NUMBER], code)


def _read_codes(path: Path) -> Iterator[tuple[str, str]]:
    """The ATC code of each number: the full release holds ATC beside RxNorm's own names."""
    for _, cells in read_cells(path, "|", quoted=False):
        if len(cells) > CODE and cells[VOCABULARY] == "ATC" and is_atc(cells[CODE]):
            yield cells[NUMBER], cells[CODE]


def _name(text: str, kind: Kind, number: str, code: str = "") -> Name:
    lang = "en" if kind == "ingredient" else ""
    return Name(text=text, kind=kind, source="rxnorm", source_id=number, lang=lang, code=code)
