"""A ledger in an SQLite file, by the standard library alone.

A rollback waits for whatever this imports, and SQLAlchemy takes half a second: it is left to who makes the tables.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from voxloop.ledger.chain import Row
from voxloop.ledger.database_failures import explained_file, other_revision
from voxloop.ledger.pen import TABLE, Pen
from voxloop.ledger.revision import REVISION, VERSION_TABLE

_CHANGE_COUNTER = 24


class SqliteFile:
    """A ledger's database in one file.

    Args:
        file: It need not be there yet.
        wait_seconds: How long one writer waits for another.
    """

    def __init__(self, file: Path, wait_seconds: float) -> None:
        self._file = file
        self._wait = wait_seconds
        self.name = str(file)

    def read_rows(self, since: int = 0) -> list[Row]:
        """Return the rows from `since` on, as they are at one moment; none where nothing was ever written."""
        if not self._file.exists():
            return []
        with explained_file(self.name), closing(self._connect()) as connection:
            connection.execute("BEGIN")
            try:
                return _pen(connection).read_from(since) if _has_table(connection, TABLE) else []
            except sqlite3.OperationalError:
                if (found := _read_revision(connection)) not in (REVISION, None):
                    raise other_revision(self.name, found) from None
                raise

    def read_stamp(self) -> int | None:
        """Return a number that every commit changes, for microseconds; None where there is none to be read.

        It is the change counter of an SQLite file (https://sqlite.org/fileformat2.html, offset 24), which is written
        before a commit is done: who sees it and then reads waits for that commit.
        """
        try:
            with self._file.open("rb", buffering=0) as stream:
                stream.seek(_CHANGE_COUNTER)
                return int.from_bytes(stream.read(4))
        except OSError:
            return None

    @contextmanager
    def writing(self) -> Iterator[Pen]:
        """Hold the ledger alone, its tables up to date, and commit at the end."""
        with explained_file(self.name), closing(self._connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            while _read_revision(connection) != REVISION:
                connection.execute("ROLLBACK")
                self._migrate()
                connection.execute("BEGIN IMMEDIATE")
            yield _pen(connection)
            connection.execute("COMMIT")  # without it, closing takes back what was done

    def _migrate(self) -> None:
        from voxloop.ledger.sqlite_migration import migrate_file

        migrate_file(self._file, self._wait)

    def _connect(self) -> sqlite3.Connection:
        # The driver begins nothing by itself.
        connection = sqlite3.connect(self._file, timeout=self._wait, isolation_level=None)
        connection.text_factory = _decode
        connection.execute("PRAGMA synchronous = EXTRA")  # what was acknowledged survives a power cut
        return connection


def _pen(connection: sqlite3.Connection) -> Pen:
    return Pen(lambda statement, values: connection.execute(statement, values).fetchall(), "?")


def _has_table(connection: sqlite3.Connection, name: str) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone() is not None


def _read_revision(connection: sqlite3.Connection) -> str | None:
    if not _has_table(connection, VERSION_TABLE):
        return None
    row = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()  # noqa: S608 - a name of our own
    return None if row is None else row[0]


def _decode(text: bytes) -> str:
    """Keep bytes that are no UTF-8 apart from all text, so that they fit no seal."""
    return text.decode(errors="surrogateescape")
