"""Making and changing the tables of a file: rare, and the only time that SQLAlchemy and Alembic are loaded for one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.ledger.schema import migrate

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection


def migrate_file(file: Path, wait_seconds: float) -> None:
    """Bring the tables of an SQLite file up to date, in one transaction that has the write lock from its beginning.

    Args:
        file: Made when missing.
        wait_seconds: How long to wait for another writer.

    Raises:
        VoxloopError: They were made by a newer version.
        sqlite3.Error: SQLite refuses.
    """
    from sqlalchemy import URL, create_engine, event, exc
    from sqlalchemy.pool import NullPool

    engine = create_engine(
        URL.create("sqlite", database=str(file)), poolclass=NullPool, connect_args={"timeout": wait_seconds}
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    try:
        with engine.begin() as connection:
            migrate(connection)
    except exc.DBAPIError as wrapped:
        raise wrapped.orig or wrapped from None


def _prepare(raw: DBAPIConnection, _record: object) -> None:
    raw.isolation_level = None  # the driver begins nothing by itself: `_begin` does
    raw.execute("PRAGMA synchronous = EXTRA")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
