"""Notes from a Parquet file, or from a folder of them with its partitions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spacy_cardioner.batch.readers.base import FileSource, SourceNote, choose, row_note
from spacy_cardioner.errors import CardionerError, needs

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset

ROWS = 256  # in memory at a time, as notes may be long


class ParquetFiles(FileSource):
    """Parquet files with a note in each row.

    Partitions (``year=2024/``) are columns too. Without an id column, the id of a note is the file
    name and the number of the row, from 1.

    folder (Path): Folder of the partitions.
    text, note_id (str | None): The columns that the user gave.
    RAISES (CardionerError): pyarrow is not installed, a file is not Parquet, or the columns cannot
        be chosen.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        files: Sequence[Path],
        text: str | None,
        note_id: str | None,
    ) -> None:
        with needs("pyarrow", "parquet"):
            import pyarrow as pa
            import pyarrow.dataset

        super().__init__(name, files)
        try:
            self.dataset = pyarrow.dataset.dataset(
                [str(path) for path in files],
                format="parquet",
                partitioning="hive",
                partition_base_dir=str(folder),
            )
            self._length = int(self.dataset.count_rows())
        except (pa.ArrowInvalid, OSError) as error:
            brief = str(error).partition("\n")[0]
            raise CardionerError(f"{name}: cannot be read as Parquet: {brief}") from error
        self.columns = choose(name, self.dataset.schema.names, text, note_id)
        self.choices = self.columns.guessed

    def __len__(self) -> int:
        return self._length

    def after(self, count: int) -> Iterator[SourceNote]:
        """The notes after the first `count`."""
        for fragment in self.dataset.get_fragments():
            rows = fragment.count_rows()
            if count < rows:
                yield from self._notes(fragment, count)
            count = max(0, count - rows)

    def _notes(self, fragment: pa.dataset.Fragment, count: int) -> Iterator[SourceNote]:
        wanted = [name for name in self.columns[:2] if name is not None]
        stem = Path(fragment.path).name.removesuffix(".parquet")
        number = 0
        batches = fragment.to_batches(
            schema=self.dataset.schema,
            columns=wanted,
            batch_size=ROWS,
            batch_readahead=2,
            use_threads=False,
        )
        for batch in batches:
            for index in range(max(0, count - number), batch.num_rows):
                row = {name: _value(batch, name, index) for name in wanted}
                yield row_note(self.columns, f"{stem}-{number + index + 1}", row)
            number += batch.num_rows


def _value(batch: pa.RecordBatch, column: str, index: int) -> object:
    """A value of a batch. Bytes that are not UTF-8 become surrogates, which `checked` finds."""
    scalar = batch.column(column)[index]
    try:
        value = scalar.as_py()
    except UnicodeDecodeError:
        value = scalar.as_buffer().to_pybytes()
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
