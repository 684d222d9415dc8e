"""The ATC index of the WHO as a table: code and name.

source: https://atcddd.fhi.no/atc_ddd_index/
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spacy_cardioner.gazetteer.names import Name, is_atc
from spacy_cardioner.gazetteer.tables import Layout, RegistryError, find_separator, read_table

TITLE = "the ATC index as a table with the columns atc_code and atc_name"

LAYOUT = Layout(",", {"code": "atc_code", "name": "atc_name"})


def recognises(head: list[str]) -> bool:
    """Whether these are the index's first lines."""
    return find_separator(head, LAYOUT) is not None


def read(path: Path) -> Iterator[Name]:
    """Read the substances and groups; a code has a line for each daily dose, all of one name."""
    names: dict[str, str] = {}
    for line, cells in read_table(path, LAYOUT, TITLE):
        code = cells["code"]
        if not is_atc(code):
            raise RegistryError(f"{path}:{line}: {code!r} is not an ATC code; mend the line")
        first = names.setdefault(code, cells["name"])
        if first != cells["name"]:
            raise RegistryError(
                f"{path}:{line}: the code {code} has two names, {first!r} and {cells['name']!r}; "
                "delete one of the lines"
            )
        if name := index_name(code, cells["name"], "atc", "en"):
            yield name


def index_name(code: str, text: str, source: str, lang: str) -> Name | None:
    """The name of an index's entry; None for organ systems, which are no drugs.

    The topmost groups are organ systems, and so are those of diagnostic radiopharmaceuticals.

    code (str): The ATC code.
    text (str): The name.
    source, lang (str): See `Name`.
    RETURNS (Optional[Name]): A group or, at the lowest level, a substance.
    """
    if len(code) < 3 or (len(code) < 7 and code.startswith("V09")):
        return None
    return Name(
        text=text,
        kind="ingredient" if len(code) == 7 else "group",
        source=source,
        source_id=code,
        lang=lang,
        code=code,
        # Groups of the upper levels are written in capitals.
        cased=not text.isupper(),
    )
