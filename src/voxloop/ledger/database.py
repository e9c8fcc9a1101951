"""Where the entries lie: an SQLite file, or PostgreSQL; one writer at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.errors import VoxloopError
from voxloop.ledger.database_failures import explained
from voxloop.ledger.entry import FIELDS, Entry, as_row
from voxloop.ledger.schema import find_table, has_entries, migrate

if TYPE_CHECKING:
    from pydantic import SecretStr
    from sqlalchemy import Connection, Engine, Select
    from sqlalchemy.engine.interfaces import DBAPIConnection

    from voxloop.ledger.chain import Row

FILE_NAME = "ledger.sqlite"
WAIT_SECONDS = 60
"""How long one writer waits for another."""
CONNECT_SECONDS = 10
_CHANGE_COUNTER = 24
ADVISORY_LOCK = 0x766F786C6F6F70  # "voxloop"


class Database:
    """A ledger's database.

    Args:
        engine: Without a pool.
        name: For messages: a path, or host and database, never a password.
        file: The file of an SQLite database.
    """

    def __init__(self, engine: Engine, name: str, file: Path | None = None) -> None:
        self._engine = engine
        self._file = file
        self.name = name

    def read_rows(self, since: int = 0) -> list[Row]:
        """Return the rows from `since` on, as they are at one moment; none where nothing was ever written."""
        if self._file is not None and not self._file.exists():
            return []
        with explained(self.name, self._file), self._engine.connect() as connection:
            query = _select().where(find_table().c.sequence >= since)
            return _fetch(connection, query) if has_entries(connection) else []

    def read_stamp(self) -> int | None:
        """Return a number that every commit changes, for microseconds; None where only a query can tell.

        It is the change counter of an SQLite file (https://sqlite.org/fileformat2.html, offset 24), which is written
        before a commit is done: who sees it and then reads waits for that commit.
        """
        if self._file is None:
            return None
        try:
            with self._file.open("rb", buffering=0) as stream:
                stream.seek(_CHANGE_COUNTER)
                return int.from_bytes(stream.read(4))
        except OSError:
            return None

    @contextmanager
    def writing(self) -> Iterator[Pen]:
        """Hold the ledger alone, its tables up to date, and commit at the end."""
        with explained(self.name, self._file), self._engine.connect() as connection:
            connection.execution_options(begin="BEGIN IMMEDIATE")
            with connection.begin():
                if self._file is None:
                    _lock_postgres(connection)
                migrate(connection)
                yield Pen(connection)


class Pen:
    """What may be done while the ledger is held.

    Args:
        connection: In a transaction that has the write lock.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read_from(self, sequence: int) -> list[Row]:
        """Return the rows from `sequence` on."""
        table = find_table()
        return _fetch(self._connection, _select().where(table.c.sequence >= sequence))

    def find_act(self, act: str) -> Row | None:
        """Return the row of this act."""
        found = _fetch(self._connection, _select().where(find_table().c.act == act))
        return found[0] if found else None

    def insert(self, entry: Entry) -> None:
        """Add a row."""
        self._connection.execute(find_table().insert(), as_row(entry))


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
    from sqlalchemy import URL, create_engine, event
    from sqlalchemy.pool import NullPool

    for name in ("alembic", "sqlmodel"):  # what is missing is missed here, not in the middle of an act
        if find_spec(name) is None:
            raise ModuleNotFoundError(name=name)
    if url is not None:
        from voxloop.store.database_address import read_postgres_address

        address = read_postgres_address(url, "VOXLOOP_LEDGER_URL", "then a file in the state folder is the ledger")
        server = f"{address.host or 'this machine'}:{address.port or 5432}/{address.database}"
        return Database(
            create_engine(address, poolclass=NullPool, connect_args={"connect_timeout": CONNECT_SECONDS}), server
        )
    file = folder / FILE_NAME
    engine = create_engine(
        URL.create("sqlite", database=str(file)), poolclass=NullPool, connect_args={"timeout": WAIT_SECONDS}
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return Database(engine, str(file), file)


def _select() -> Select[Row]:
    from sqlalchemy import select

    table = find_table()
    return select(*(table.c[name] for name in FIELDS)).order_by(table.c.sequence)


def _fetch(connection: Connection, query: Select[Row]) -> list[Row]:
    return [tuple(row) for row in connection.execute(query)]


def _lock_postgres(connection: Connection) -> None:
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'")
    connection.exec_driver_sql("SET LOCAL synchronous_commit = on")  # what was acknowledged survives a crash
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")


def _prepare_sqlite(raw: DBAPIConnection, _record: object) -> None:
    raw.isolation_level = None  # the driver begins nothing by itself: `_begin_sqlite` does
    raw.text_factory = _decode
    raw.execute("PRAGMA synchronous = EXTRA")  # what was acknowledged survives a power cut


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))


def _decode(text: bytes) -> str:
    """Keep bytes that are no UTF-8 apart from all text, so that they fit no seal."""
    return text.decode(errors="surrogateescape")
