"""Parquet, with a row for each mention."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from spacy_cardioner.batch.mentions import CONTEXT
from spacy_cardioner.batch.readers.note import kept_text
from spacy_cardioner.batch.writers.base import Put, Table, check_names
from spacy_cardioner.errors import needs

if TYPE_CHECKING:
    import pyarrow as pa

    from spacy_cardioner.batch.engine import Annotated
    from spacy_cardioner.batch.mentions import Mention

ROWS = 20_000  # in a row group: what is in memory before it is written

# Arrow type of each column. Only the required columns have a value in every row.
REQUIRED = {
    "note_id": "string",
    "start": "int32",
    "end": "int32",
    "label": "string",
    "text": "string",
}
COLUMNS = {
    **REQUIRED,
    "score": "float",
    "kb_id": "string",
    "vocabulary": "string",
    "match": "string",
    "section": "string",
    **dict.fromkeys(CONTEXT, "bool"),
}


def arrow_schema(types: Mapping[str, str], required: Collection[str] = ()) -> pa.Schema:
    """Make the Arrow schema of columns, of which `required` ones are never null.

    RAISES (CardionerError): pyarrow is not installed.
    """
    with needs("pyarrow", "parquet"):
        import pyarrow as pa
    return pa.schema(
        pa.field(name, pa.type_for_alias(kind), nullable=name not in required)
        for name, kind in types.items()
    )


def mention_row(note_id: str, mention: Mention) -> tuple[Any, ...]:
    """A mention in the order of `COLUMNS`."""
    return (note_id, *mention[:4], *(None if value == "" else value for value in mention.values))


class Parquet(Table):
    """A row for each mention, and none for a note without mentions.

    keep (Mapping[str, str]): Columns of the input to add, and the names of their Arrow types.
    RAISES (CardionerError): pyarrow is not installed.
    """

    ending = ".parquet"

    def __init__(self, *, keep: Mapping[str, str] = {}) -> None:
        check_names("Parquet", COLUMNS, keep)
        self.keep = keep
        self.types = {**COLUMNS, **keep}
        self.schema = arrow_schema(self.types, REQUIRED)

    def rows(self, found: Annotated) -> list[tuple[Any, ...]]:
        """The rows of a note."""
        kept = [
            value if value is None or kind != "string" else kept_text(value)
            for value, kind in zip(found.note.kept, self.keep.values(), strict=True)
        ]
        return [(*mention_row(found.note.id, mention), *kept) for mention in found.mentions]

    @contextmanager
    def into(self, place: IO[bytes], first: int = 1) -> Iterator[Put]:
        """Write to an open file."""
        with row_groups(place, self.schema) as put:
            yield put


@contextmanager
def row_groups(stream: IO[bytes], schema: pa.Schema) -> Iterator[Put]:
    """Write a Parquet file. YIELDS (Callable): The function that takes a list of rows."""
    import pyarrow as pa
    import pyarrow.parquet

    rows: list[tuple[Any, ...]] = []
    with pyarrow.parquet.ParquetWriter(stream, schema, compression="zstd") as file:

        def flush() -> None:
            columns = list(zip(*rows, strict=True)) or [()] * len(schema)
            arrays = [pa.array(*given) for given in zip(columns, schema.types, strict=True)]
            file.write_table(pa.Table.from_arrays(arrays, schema=schema))
            rows.clear()

        def put(some: list[tuple[Any, ...]]) -> None:
            rows.extend(some)
            if len(rows) >= ROWS:
                flush()

        yield put
        flush()
