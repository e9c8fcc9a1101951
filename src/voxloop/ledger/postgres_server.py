"""A ledger in PostgreSQL, for several machines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from voxloop.ledger.database_failures import explained_server
from voxloop.ledger.pen import Pen
from voxloop.ledger.schema import has_entries, migrate

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

    from voxloop.ledger.chain import Row

CONNECT_SECONDS = 10
ADVISORY_LOCK = 0x766F786C6F6F70  # "voxloop"


class PostgresServer:
    """A ledger's database on a server.

    Args:
        address: Of the database, with its password.
        wait_seconds: How long one writer waits for another.
    """

    def __init__(self, address: URL, wait_seconds: float) -> None:
        from sqlalchemy import create_engine
        from sqlalchemy.pool import NullPool

        self._engine = create_engine(address, poolclass=NullPool, connect_args={"connect_timeout": CONNECT_SECONDS})
        self._wait = wait_seconds
        self.name = f"{address.host or 'this machine'}:{address.port or 5432}/{address.database}"

    def read_rows(self, since: int = 0) -> list[Row]:
        """Return the rows from `since` on, as they are at one moment; none where nothing was ever written."""
        with explained_server(self.name), self._engine.connect() as connection:
            return _pen(connection).read_from(since) if has_entries(connection) else []

    def read_stamp(self) -> int | None:
        """Return None: only a query can tell whether anything was written."""
        return None

    @contextmanager
    def writing(self) -> Iterator[Pen]:
        """Hold the ledger alone, its tables up to date, and commit at the end."""
        with explained_server(self.name), self._engine.begin() as connection:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{self._wait}s'")
            connection.exec_driver_sql("SET LOCAL synchronous_commit = on")  # what was acknowledged survives a crash
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
            migrate(connection)
            yield _pen(connection)


def _pen(connection: Connection) -> Pen:
    def execute(statement: str, values: tuple[object, ...]) -> list[Row]:
        result = connection.exec_driver_sql(statement, values)
        return [tuple(row) for row in result] if result.returns_rows else []

    return Pen(execute, "%s")
