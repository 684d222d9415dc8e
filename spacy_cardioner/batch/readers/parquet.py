"""Notes from a Parquet file, or from a folder of them with its partitions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from spacy_cardioner.batch.readers.base import Source, SourceNote, choose, row_note
from spacy_cardioner.errors import CardionerError, needs

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset

ROWS = 256  # in memory at a time, as notes may be long


class ParquetFiles(Source):
    """Parquet files with a note in each row.

    Partitions (``year=2024/``) are columns too. Without an id column, the id of a note is the file
    name and the number of the row, from 1.

    folder (Path): Folder of the partitions.
    RAISES (CardionerError): pyarrow, Parquet or a column is missing.
    """

    def __init__(
        self, name: str, folder: Path, files: Sequence[Path], text: str | None, note_id: str | None
    ) -> None:
        with needs("pyarrow", "parquet"):
            import pyarrow as pa
            import pyarrow.dataset

        super().__init__(name, files)
        try:
            self.dataset = pyarrow.dataset.dataset(
                list(map(str, files)), partitioning="hive", partition_base_dir=str(folder)
            )
            self.total = int(self.dataset.count_rows())
        except (pa.ArrowInvalid, OSError) as error:
            brief = str(error).partition("\n")[0]
            raise CardionerError(f"{name}: cannot be read as Parquet: {brief}") from error
        self.columns = choose(name, self.dataset.schema.names, text, note_id)

    def after(self, count: int) -> Iterator[SourceNote]:
        """The notes after the first `count`."""
        wanted = [name for name in self.columns[:2] if name is not None]
        for fragment in self.dataset.get_fragments():
            rows = fragment.count_rows()
            if count < rows:
                stem = Path(fragment.path).name.removesuffix(".parquet")
                options = {"batch_size": ROWS, "batch_readahead": 2, "use_threads": False}
                batches = fragment.to_batches(self.dataset.schema, wanted, **options)
                places = ((batch, index) for batch in batches for index in range(batch.num_rows))
                for number, (batch, index) in islice(enumerate(places, 1), count, None):
                    row = {name: _value(batch, name, index) for name in wanted}
                    yield row_note(self.columns, f"{stem}-{number}", row)
            count = max(0, count - rows)


def _value(batch: pa.RecordBatch, column: str, index: int) -> object:
    """A value of a batch. Bytes that are not UTF-8 become surrogates, which `checked` finds."""
    scalar = batch.column(column)[index]
    try:
        value = scalar.as_py()
    except UnicodeDecodeError:
        value = scalar.as_buffer().to_pybytes()
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
