"""Notes from a Parquet file, or from a folder of them with its partitions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from spacy_cardioner.batch.readers.base import FileSource, Unreadable
from spacy_cardioner.batch.readers.columns import GUESSED, Row, Wanted, choose, lacks, row_note
from spacy_cardioner.batch.readers.note import SourceNote
from spacy_cardioner.errors import CardionerError, needs, plain
from spacy_cardioner.texts import damage

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

ROWS = 256  # in memory at a time, as notes may be long
BUFFER = 1 << 20
NULL = "__HIVE_DEFAULT_PARTITION__"


class ParquetFiles(FileSource):
    """Parquet files with a note in each row.

    Partitions (``year=2024/``) are columns too. Without an id column, the id of a note is the path
    of the file without its ending, and the number of the row, from 1. The first file that can be
    read decides on the columns; their types may differ.

    RAISES (CardionerError): pyarrow or a column is missing, or no file can be read.
    """

    def __init__(
        self, name: str, folder: Path, names: Sequence[str], wanted: Wanted = GUESSED
    ) -> None:
        with needs("pyarrow", "parquet"):
            import pyarrow.parquet  # noqa: F401

        super().__init__(name, folder, names)
        heads, faults, schemas = [], [], []
        for file, path in zip(names, self.files, strict=True):
            try:
                with _opened(path) as opened:
                    heads.append((_names(opened, file), opened.metadata.num_rows))
                    schemas.append(opened.schema_arrow)
            except Unreadable as error:
                heads.append(([], 1))
                faults.append(f"{path}: cannot be read: {error}")
        if len(faults) == len(heads):
            raise CardionerError(faults[0])
        first = next(columns for columns, _ in heads if columns)
        columns = choose(name, first, wanted)
        self.columns = columns._replace(keep={one: _type(one, schemas) for one in columns.keep})
        self.counts = [
            1 if file in self.twins or lacks(columns, self.columns) else rows
            for file, (columns, rows) in zip(names, heads, strict=True)
        ]
        self.total = sum(self.counts)

    def stem(self, file: str) -> str:
        """The path without its ending."""
        return file.removesuffix(".parquet")

    def notes_of(self, file: str, path: Path) -> Iterator[SourceNote]:
        """The notes of a file."""
        with _opened(path) as opened:
            if fault := lacks(_names(opened, file), self.columns):
                raise Unreadable(fault)
            for number, row in enumerate(self._rows(opened, _partitions(file)), start=1):
                place = f"{plain(file)}, row {number}"
                yield row_note(self.columns, place, f"{self.stem(file)}-{number}", row)

    def _rows(self, opened: ParquetFile, partitions: Row) -> Iterator[Row | str]:
        """The rows. Those of a group that is damaged have faults, and the next group is read."""
        import pyarrow as pa

        wanted = [name for name in opened.schema_arrow.names if name in self.columns.names]
        for group in range(opened.num_row_groups):
            left = opened.metadata.row_group(group).num_rows
            try:
                for batch in opened.iter_batches(ROWS, [group], wanted, use_threads=False):
                    for index in range(batch.num_rows):
                        read = {name: _value(batch.column(name)[index]) for name in wanted}
                        yield {**partitions, **read}
                        left -= 1
            except (pa.ArrowException, OSError):
                yield from ["damaged, or not UTF-8"] * left


@contextmanager
def _opened(path: Path) -> Iterator[ParquetFile]:
    """Open a file. RAISES (Unreadable): It is damaged."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        opened = ParquetFile(path, buffer_size=BUFFER, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise Unreadable(damage(error, "it is not Parquet, or damaged")) from error
    with opened:
        yield opened


def _names(opened: ParquetFile, file: str) -> list[str]:
    """The columns of a file and of its partitions."""
    names = list(opened.schema_arrow.names)
    return names + [name for name in _partitions(file) if name not in names]


def _type(name: str, schemas: Iterable[pa.Schema]) -> str:
    """The Arrow type of a column to keep: a string if it is not plain, or not the same in all."""
    import pyarrow as pa

    kinds = {schema.field(name).type for schema in schemas if name in schema.names}
    plain_types = (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_date)
    kind = kinds.pop() if len(kinds) == 1 else pa.string()
    return str(kind) if any(is_one(kind) for is_one in plain_types) else "string"


def _partitions(file: str) -> dict[str, str | None]:
    """The values of the partitions in a path: ``year=2024/part-0.parquet``."""
    pairs = (part.split("=", 1) for part in file.split("/")[:-1] if "=" in part)
    return {name: None if value == NULL else unquote(value) for name, value in pairs}


def _value(scalar: pa.Scalar) -> object:
    """A value. Bytes that are not UTF-8 become surrogates, which `checked` finds."""
    import pyarrow as pa

    if isinstance(scalar, pa.DictionaryScalar):
        scalar = scalar.value
    try:
        value = scalar.as_py()
    except UnicodeDecodeError:
        value = scalar.as_buffer().to_pybytes()
    except (ValueError, OverflowError):  # no such date
        return scalar
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
