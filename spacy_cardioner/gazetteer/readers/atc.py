"""The ATC index of the WHO as a table of codes and names.

source: https://atcddd.fhi.no/atc_ddd_index/
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spacy_cardioner.gazetteer.names import Name, is_atc
from spacy_cardioner.gazetteer.tables import Table, TableRegistry

INDEX = Table(
    "the ATC index as a table with the columns atc_code and atc_name",
    ",",
    {"code": "atc_code", "name": "atc_name"},
)


def _names(path: Path, table: Table) -> Iterator[Name]:
    """Read the names. The rows of a code, one per daily dose, have the same name."""
    names: dict[str, str] = {}
    for row in table.rows(path):
        code, text = row.cells["code"], row.cells["name"]
        if not is_atc(code):
            raise row.error(f"{code!r} is not an ATC code; fix the line")
        first = names.setdefault(code, text)
        if first != text:
            raise row.error(
                f"the code {code} has two names, {first!r} and {text!r}; delete one of the lines"
            )
        yield from index_names(code, text, "atc", "en")


def index_names(code: str, text: str, source: str, lang: str) -> Iterator[Name]:
    """The name of an entry of the index, unless it is an organ system.

    The top level has organ systems, and so have the upper levels of diagnostic
    radiopharmaceuticals.

    code (str): The ATC code.
    text (str): Its name.
    source, lang (str): See `Name`.
    YIELDS (Name): The name of a group or, at the lowest level, of a substance.
    """
    if len(code) < 3 or (len(code) < 7 and code.startswith("V09")):
        return
    yield Name(
        text=text,
        kind="ingredient" if len(code) == 7 else "group",
        source=source,
        source_id=code,
        lang=lang,
        code=code,
        # Groups of the upper levels are in upper case.
        cased=not text.isupper(),
    )


ATC_INDEX = TableRegistry(INDEX.title, [INDEX], _names)
