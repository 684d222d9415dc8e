"""Tables of one's own: a line for each name, or a line for each code with names by language.

Columns parted by tabs, titles in the first line:

- ``name`` and ``atc``, and if need be ``kind`` and ``lang``: a line for each name;
- ``atc`` and ``kind``, then a column for each language (``es``, ``en``, ``it``) with names parted
  by bars, and if need be ``also`` with further codes: a line for each code and kind.

A kind is one of `names.KINDS`; a table without that column has names of substances.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spacy_cardioner.gazetteer.names import KINDS, Kind, Name, is_atc
from spacy_cardioner.gazetteer.tables import (
    Layout,
    RegistryError,
    Row,
    find_separator,
    read_head,
    read_table,
)

TITLE = "a table of one's own with the column atc, and name or a column for each language"

LANGS = ("es", "en", "it")
NAMES = Layout(
    "\t",
    {"name": "name", "code": "atc", "kind": "kind", "lang": "lang"},
    quoted=False,
    optional=("kind", "lang"),
)
LANGUAGES = Layout(
    "\t",
    {"code": "atc", "kind": "kind", **{lang: lang for lang in LANGS}, "also": "also"},
    quoted=False,
    optional=("also", *LANGS),
)


def recognises(head: list[str]) -> bool:
    """Whether these are the first lines of such a table."""
    return find_separator(head, NAMES) is not None or _by_language(head)


def read(path: Path) -> Iterator[Name]:
    """Read the names. They are taken as they are: somebody chose them."""
    if _by_language(read_head(path)):
        for row in read_table(path, LANGUAGES, TITLE):
            for lang in LANGS:
                for text in row.cells.get(lang, "").split("|"):
                    yield from _name(path, row, text.strip(), lang)
    else:
        for row in read_table(path, NAMES, TITLE):
            yield from _name(path, row, row.cells["name"], row.cells.get("lang", ""))


def _by_language(head: list[str]) -> bool:
    return (
        find_separator(head, LANGUAGES) is not None and not find_separator(head, NAMES) is not None
    )


def _name(path: Path, row: Row, text: str, lang: str) -> Iterator[Name]:
    if not text:
        return
    code = row.cells["code"]
    also = tuple(part.strip() for part in row.cells.get("also", "").split("|") if part.strip())
    if bad := [part for part in (code, *also) if part and not is_atc(part)]:
        raise RegistryError(f"{path}:{row.line}: {bad[0]!r} is not an ATC code; mend the line")
    yield Name(
        text=text,
        kind=_kind(path, row),
        source="own",
        source_id=code or f"{path.stem}:{row.line}",
        lang=lang,
        code=code,
        curated=True,
        also=also,
    )


def _kind(path: Path, row: Row) -> Kind:
    kind = row.cells.get("kind") or "ingredient"
    for known in KINDS:
        if kind == known:
            return known
    raise RegistryError(
        f"{path}:{row.line}: {kind!r} is no kind of name; write one of {', '.join(KINDS)}"
    )
