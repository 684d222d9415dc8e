"""Notes from a table of a database, such as NOTE of the OMOP common data model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

from spacy_cardioner.batch.readers.base import Source
from spacy_cardioner.batch.readers.columns import GUESSED, Wanted, choose, row_note
from spacy_cardioner.batch.readers.note import SourceNote
from spacy_cardioner.errors import CardionerError, masked, needs, reason

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

ROWS = 256  # fetched at a time


class SqlTable(Source):
    """A table with a note in each row, read in the order of the ids.

    url (str): Address of the database for SQLAlchemy:
        ``postgresql+psycopg://user@host/database``, ``duckdb:///notes.duckdb``.
    table (str): Name of the table, which may include the schema: ``cdm.note``.
    RAISES (CardionerError): SQLAlchemy or the driver is missing; the table cannot be read.
    """

    def __init__(self, url: str, table: str, wanted: Wanted = GUESSED) -> None:
        with needs("SQLAlchemy", "omop"):
            import sqlalchemy

        super().__init__(masked(url))
        try:
            address = sqlalchemy.engine.make_url(url)
            self.engine = sqlalchemy.create_engine(address, poolclass=sqlalchemy.NullPool)
        except ImportError as error:
            raise CardionerError(
                f"{self.name}: its driver is missing: pip install {error.name}"
            ) from error
        except (sqlalchemy.exc.ArgumentError, TypeError, ValueError):  # they quote the address
            raise CardionerError(
                f"{self.name}: not an address of a database for SQLAlchemy, such as "
                "postgresql+psycopg://user@host/database"
            ) from None
        if self.engine.dialect.name == "sqlite":
            sqlalchemy.event.listen(self.engine, "connect", _keep_all_bytes)
        options = chain.from_iterable(
            [value] if isinstance(value, str) else value for value in address.query.values()
        )
        self._secrets = [url, str(address.password or ""), *options]
        self.table = table
        schema, _, name = table.rpartition(".")
        self._from = sqlalchemy.table(name, schema=schema or None)
        every = sqlalchemy.select(sqlalchemy.text("*")).select_from(self._from).limit(0)
        with self._connected() as connection:
            names = list(connection.execute(every).keys())
            self.columns = choose(f"{self.name} {table}", names, wanted, needs_id=True)
            count = sqlalchemy.select(sqlalchemy.func.count()).select_from(self._from)
            self.total = int(connection.execute(count).scalar_one())

    def after(self, count: int) -> Iterator[SourceNote]:
        """The notes after the first `count`."""
        from sqlalchemy import column, select

        names = self.columns.names
        by: Any = column(self.columns.id or "")
        wanted = select(*map(column, names)).select_from(self._from).order_by(by)
        with self._connected() as connection:
            streaming = connection.execution_options(stream_results=True, yield_per=ROWS)
            rows = streaming.execute(wanted.offset(count) if count else wanted)
            for number, values in enumerate(rows, start=count + 1):
                place, row = f"{self.table}, row {number}", dict(zip(names, values, strict=True))
                yield row_note(self.columns, place, f"{self.table}-{number}", row)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """Connect. Errors of SQLAlchemy and of drivers quote values, queries and passwords."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            connection = self.engine.connect()
        except (SQLAlchemyError, TypeError, ValueError) as error:  # also a wrong option
            raise self._error("the database cannot be reached", error) from None
        try:
            with connection:
                yield connection
        except SQLAlchemyError as error:
            raise self._error(f"the table {self.table} (--table) cannot be read", error) from None

    def _error(self, what: str, error: Exception) -> CardionerError:
        why = reason(getattr(error, "orig", None) or error, self._secrets)
        return CardionerError(f"{self.name}: {what} ({why})")

    def describe(self) -> dict[str, Any]:
        """Identify the table, by its number of rows."""
        return {"input": self.name, "table": self.table, "rows": self.total}


def _keep_all_bytes(connection: Any, _: object) -> None:
    """Let bytes that are not UTF-8 become surrogates, which `checked` finds."""
    connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
