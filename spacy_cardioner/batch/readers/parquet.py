"""Notes from Parquet: a file, or a folder of them with its partitions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacy_cardioner.batch.readers.base import Source, SourceNote, checked, describe_files
from spacy_cardioner.batch.readers.columns import choose
from spacy_cardioner.errors import CardionerError, needs

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset

ROWS = 256  # read at a time: long notes of many rows would fill the memory


class ParquetFiles(Source):
    """Parquet files with a note in each row.

    Columns of partitions (``year=2024/``) are columns too. A note without an id column is called by
    its file and the number of its row, from 1 on.

    name (str): What the person called it.
    folder (Path | None): Below it, the folders' names are partitions.
    files (Sequence[Path]): The files, in the order of reading.
    text, note_id (str | None): The columns asked for.
    RAISES (CardionerError): pyarrow is not installed, a file is not Parquet, or the columns cannot
        be chosen.
    """

    def __init__(
        self,
        name: str,
        folder: Path | None,
        files: Sequence[Path],
        *,
        text: str | None = None,
        note_id: str | None = None,
    ) -> None:
        with needs("pyarrow", "parquet"):
            import pyarrow as pa
            import pyarrow.dataset

        self.name = name
        self.files = files
        try:
            self.dataset = pyarrow.dataset.dataset(
                [str(path) for path in files],
                format="parquet",
                partitioning="hive",
                partition_base_dir=str(folder) if folder else None,
            )
            self._length = int(self.dataset.count_rows())
        except (pa.ArrowInvalid, OSError) as error:
            raise CardionerError(f"{name}: cannot be read as Parquet: {_brief(error)}") from error
        self.columns = choose(name, self.dataset.schema.names, text, note_id)
        self.choices = self.columns.guessed

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[SourceNote]:
        return self.after(0)

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
                yield self._note(f"{stem}-{number + index + 1}", batch, index)
            number += batch.num_rows

    def _note(self, place: str, batch: pa.RecordBatch, index: int) -> SourceNote:
        note_id = place
        if self.columns.id is not None:
            named = _value(batch, self.columns.id, index)
            if named is None or named == "":
                return SourceNote(place, "", f"no id in the column {self.columns.id}")
            note_id = str(named)
        return checked(note_id, _value(batch, self.columns.text, index))

    def describe(self) -> dict[str, Any]:
        """What it is, to know it again."""
        return describe_files(self.name, self.files)

    def paths(self) -> Iterator[Path]:
        """The files that are read."""
        return iter(self.files)


def _value(batch: pa.RecordBatch, column: str, index: int) -> object:
    """What stands there. Bytes that are no UTF-8 become surrogates, which a check finds."""
    scalar = batch.column(column)[index]
    try:
        value = scalar.as_py()
    except UnicodeDecodeError:
        value = scalar.as_buffer().to_pybytes()
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _brief(error: Exception) -> str:
    return str(error).partition("\n")[0]
