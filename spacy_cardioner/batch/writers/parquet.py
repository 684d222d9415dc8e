"""Parquet, with a row for each mention."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from spacy_cardioner.batch.mentions import CONTEXT
from spacy_cardioner.batch.writers.base import Put, Writer
from spacy_cardioner.errors import needs

if TYPE_CHECKING:
    import pyarrow as pa

    from spacy_cardioner.batch.engine import Annotated
    from spacy_cardioner.batch.mentions import Mention

ROWS = 20_000  # in a row group: what is held before it is written

# Name and Arrow type of each column; only the first five have a value in every row.
COLUMNS = (
    ("note_id", "string"),
    ("start", "int32"),
    ("end", "int32"),
    ("label", "string"),
    ("text", "string"),
    ("score", "float"),
    ("kb_id", "string"),
    ("match", "string"),
    ("section", "string"),
    *((name, "bool") for name in CONTEXT),
)
REQUIRED = 5


def schema() -> pa.Schema:
    """The Arrow schema of the output.

    RAISES (CardionerError): pyarrow is not installed.
    """
    with needs("pyarrow", "parquet"):
        import pyarrow as pa
    return pa.schema(
        pa.field(name, pa.type_for_alias(kind), nullable=index >= REQUIRED)
        for index, (name, kind) in enumerate(COLUMNS)
    )


def mention_row(note_id: str, mention: Mention) -> tuple[Any, ...]:
    """A mention in the order of `COLUMNS`."""
    return (note_id, *mention[:5], mention.kb_id or None, *mention[6:])


class RowGroups:
    """Writes rows to a Parquet file, some thousands at a time.

    stream (IO[bytes]): The open file.
    schema (pa.Schema): Its columns.
    """

    def __init__(self, stream: IO[bytes], schema: pa.Schema) -> None:
        import pyarrow.parquet

        self.schema = schema
        self.rows: list[tuple[Any, ...]] = []
        self.file = pyarrow.parquet.ParquetWriter(stream, schema, compression="zstd")

    def put(self, rows: list[tuple[Any, ...]]) -> None:
        """Take rows, in the order of the columns."""
        self.rows += rows
        if len(self.rows) >= ROWS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.schema)
        kinds = (field.type for field in self.schema)
        arrays = [pa.array(*given) for given in zip(columns, kinds, strict=True)]
        self.file.write_table(pa.Table.from_arrays(arrays, schema=self.schema))
        self.rows = []

    def __enter__(self) -> RowGroups:
        return self

    def __exit__(self, kind: object, *exc_info: object) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self.file.close()


class Parquet(Writer):
    """A row for each mention, and none for a note without any.

    RAISES (CardionerError): pyarrow is not installed.
    """

    ending = ".parquet"

    def __init__(self) -> None:
        self.schema = schema()

    def render(self, found: Annotated) -> list[tuple[Any, ...]]:
        """A note as it will be written."""
        return [mention_row(found.note.id, mention) for mention in found.mentions]

    @contextmanager
    def into(self, place: IO[bytes], first: int = 1) -> Iterator[Put]:
        """Write to an open file, or into a folder."""
        with RowGroups(place, self.schema) as groups:
            yield groups.put
