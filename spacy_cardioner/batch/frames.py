"""What was found as tables in memory: a row for each mention, and one for each note at fault."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from spacy_cardioner.batch.writers.parquet import COLUMNS, mention_row

if TYPE_CHECKING:
    import pandas as pd

    from spacy_cardioner.batch.engine import Annotated

NAMES = (*(name for name, _ in COLUMNS), "error")

# Numpy's own types have no way to say that something is missing.
KINDS = {"string": "string", "int32": "Int32", "float": "Float32", "bool": "boolean"}


def rows(found: Annotated) -> list[tuple[Any, ...]]:
    """The rows of a note, in the order of `NAMES`."""
    if found.note.fault:
        return [(found.note.id, *[None] * (len(NAMES) - 2), found.note.fault)]
    return [(*mention_row(found.note.id, mention), None) for mention in found.mentions]


def frame(notes: Iterable[Annotated]) -> pd.DataFrame:
    """A pandas DataFrame of all rows."""
    import pandas as pd

    columns = list(zip(*(row for found in notes for row in rows(found)), strict=True))
    kinds = [*(KINDS[kind] for _, kind in COLUMNS), "string"]
    given = columns or [()] * len(NAMES)
    return pd.DataFrame(
        {
            name: pd.array(list(values), dtype=kind)
            for name, values, kind in zip(NAMES, given, kinds, strict=True)
        }
    )
