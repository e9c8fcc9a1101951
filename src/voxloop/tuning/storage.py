"""Where a study is kept: a journal file, or PostgreSQL."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from voxloop.errors import ServiceUnavailableError, VoxloopError
from voxloop.store.database_address import read_postgres_address
from voxloop.tuning.locks import AdvisoryLocks, FileLocks, Locks

if TYPE_CHECKING:
    from pydantic import SecretStr
    from sqlalchemy import URL

JOURNAL_NAME = "journal.log"
STORAGE_ERRORS = (StorageInternalError, SQLAlchemyError)
"""What goes wrong with a database, and not with a trial."""


class Kept(NamedTuple):
    """A study's storage, its locks, and the host of its database if it has one."""

    storage: BaseStorage
    locks: Locks
    host: str | None = None


class KernelLock(JournalFileOpenLock):
    """A lock the kernel lets go of when its holder ends.

    Optuna's own, a file or a link that is there or not, outlive a killed worker; the others then wait half a minute and
    break them, and of two who break one at once both may write.

    Args:
        place: The lock file.
    """

    def __init__(self, place: Path) -> None:
        super().__init__(str(place))
        self._place = place
        self._handle = -1

    def acquire(self) -> bool:
        """Wait for it."""
        handle = os.open(self._place, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(handle, fcntl.LOCK_EX)
        self._handle = handle
        return True

    def release(self) -> None:
        """Let go of it."""
        os.close(self._handle)


def open_storage(folder: Path, name: str, database: SecretStr | None) -> Kept:
    """Open, and make when missing, what keeps the study `name`.

    Args:
        folder: Of the study on this machine; the journal lies in it.
        name: Of the study.
        database: Address of a PostgreSQL database; None keeps a journal.

    Raises:
        ConfigError: It is no such address.
        ServiceUnavailableError: The database does not answer.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    if database is None:
        backend = JournalFileBackend(str(folder / JOURNAL_NAME), KernelLock(folder / f"{JOURNAL_NAME}.lock"))
        return Kept(JournalStorage(backend), FileLocks(folder / "locks"))
    return _open_postgres(
        name, read_postgres_address(database, "VOXLOOP_STUDY_DATABASE", "then a journal file keeps the study")
    )


def _open_postgres(name: str, address: URL) -> Kept:
    from optuna.storages import RDBStorage
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    with explained(address.host or "this machine"):
        locks = AdvisoryLocks(create_engine(address, poolclass=NullPool), name)
        with locks.alone("tables"):  # of two who make the tables at once one would fail
            return Kept(
                RDBStorage(address.render_as_string(hide_password=False)), locks, address.host or "this machine"
            )


@contextmanager
def explained(host: str | None) -> Iterator[None]:
    """Turn a database's errors, which can hold its whole address, into one that names the host alone.

    Args:
        host: Of the database; None for a journal, whose errors are the file system's.
    """
    if host is None:
        yield
        return
    try:
        yield
    except OperationalError as lost:
        raise ServiceUnavailableError(
            f"the study's database on {host} does not answer ({type(lost.orig).__name__})",
            rule="VOXLOOP_STUDY_DATABASE names it",
            remedy="look whether it runs and knows the user; the same command goes on",
        ) from None
    except (*STORAGE_ERRORS, ImportError) as failed:
        raise VoxloopError(
            f"the study's database on {host} failed ({type(failed).__name__})",
            rule="a study needs PostgreSQL and psycopg (pip install 'voxloop[platform]')",
            remedy="look into the database's log",
        ) from None
