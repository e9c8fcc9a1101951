"""Where the entries lie: an SQLite file, or PostgreSQL; one writer at a time."""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from voxloop.errors import VoxloopError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from voxloop.ledger.chain import Row
    from voxloop.ledger.pen import Pen

FILE_NAME = "ledger.sqlite"
WAIT_SECONDS = 60
"""How long one writer waits for another."""


class Database(Protocol):
    """A ledger's database. Its name is for messages: a path, or host and database, never a password."""

    name: str

    def read_rows(self, since: int = 0) -> list[Row]:
        """Return the rows from `since` on, as they are at one moment; none where nothing was ever written."""

    def read_stamp(self) -> int | None:
        """Return a number that every commit changes, for microseconds; None where only a query can tell."""

    def writing(self) -> AbstractContextManager[Pen]:
        """Hold the ledger alone, its tables up to date, and commit at the end."""


def open_database(folder: Path, url: SecretStr | None) -> Database:
    """Return the database of a ledger; nothing is made and nobody is asked yet.

    Args:
        folder: Holds the SQLite file.
        url: Address of a PostgreSQL database instead.

    Raises:
        ConfigError: It is no such address.
        VoxloopError: The libraries it needs are not installed.
    """
    try:
        return _open_database(folder, url)
    except ImportError as missing:
        raise VoxloopError(
            f"there is no {missing.name} for the ledger",
            rule="it needs SQLModel, Alembic and, on a server, psycopg",
            remedy="pip install 'voxloop[platform]'",
        ) from None


def _open_database(folder: Path, url: SecretStr | None) -> Database:
    for name in ("alembic", "sqlmodel"):  # what is missing is missed here, not in the middle of an act
        if find_spec(name) is None:
            raise ModuleNotFoundError(name=name)
    if url is None:
        from voxloop.ledger.sqlite_file import SqliteFile

        return SqliteFile(folder / FILE_NAME, WAIT_SECONDS)
    from voxloop.ledger.postgres_server import PostgresServer
    from voxloop.store.database_address import read_postgres_address

    address = read_postgres_address(url, "VOXLOOP_LEDGER_URL", "then a file in the state folder is the ledger")
    return PostgresServer(address, WAIT_SECONDS)
