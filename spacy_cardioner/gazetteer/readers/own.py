"""Tables written by users: one row per name, or one row per code with names by language.

Columns are delimited by tabs, and the first line is a header:

- ``name`` and ``atc``, optionally ``kind`` and ``lang``: one row per name;
- ``atc`` and ``kind``, then a column per language (``es``, ``en``, ``it``) with names delimited by
  bars, optionally ``also`` with further codes: one row per code and kind.

A kind is one of `names.KINDS`; without that column, all names are those of substances.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spacy_cardioner.gazetteer.names import KINDS, Name, is_atc
from spacy_cardioner.gazetteer.tables import Row, Table, TableRegistry

TITLE = "a table of your own with the column atc, and name or a column for each language"
LANGS = ("es", "en", "it")
NAMES = Table(
    TITLE,
    "\t",
    {"name": "name", "code": "atc", "kind": "kind", "lang": "lang"},
    quoted=False,
    optional=["kind", "lang"],
)
LANGUAGES = Table(
    TITLE,
    "\t",
    {"code": "atc", "kind": "kind", **{lang: lang for lang in LANGS}, "also": "also"},
    quoted=False,
    optional=["also", *LANGS],
)


def _names(path: Path, table: Table) -> Iterator[Name]:
    for row in table.rows(path):
        if table is NAMES:
            yield from _row_names(row, row.cells["name"], row.cells["lang"])
        else:
            for lang in LANGS:
                for text in row.cells[lang].split("|"):
                    yield from _row_names(row, text.strip(), lang)


def _row_names(row: Row, text: str, lang: str) -> Iterator[Name]:
    if not text:
        return
    code = row.cells["code"]
    also = tuple(filter(None, map(str.strip, row.cells.get("also", "").split("|"))))
    for part in (code, *also):
        if part and not is_atc(part):
            raise row.error(f"{part!r} is not an ATC code; fix the line")
    kind = row.cells["kind"] or "ingredient"
    if kind not in KINDS:
        raise row.error(f"{kind!r} is not a kind of name; use one of {', '.join(KINDS)}")
    yield Name(
        text=text,
        kind=kind,
        source="own",
        source_id=code or f"{row.path.stem}:{row.line}",
        lang=lang,
        code=code,
        curated=True,
        also=also,
    )


OWN = TableRegistry(NAMES.title, [NAMES, LANGUAGES], _names)
