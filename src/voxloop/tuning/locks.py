"""Locks that end with the process that holds them: who still holds one is alive, and nobody else is asked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from voxloop.store.lock import hold_lock, take_lock

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sqlalchemy import Engine


class Locks(Protocol):
    """The locks of one study, shared by all of its workers."""

    def alone(self, name: str) -> AbstractContextManager[None]:
        """Wait for the lock of this name and hold it."""

    def take(self, name: str) -> ExitStack | None:
        """Hold the lock of this name until what is returned is closed; None while another holds it."""


class FileLocks:
    """Locks of the kernel on files, for workers that share a disk.

    Args:
        folder: Where the files are; made when missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def alone(self, name: str) -> AbstractContextManager[None]:
        """Wait for it."""
        return hold_lock(self._folder / name)

    def take(self, name: str) -> ExitStack | None:
        """Try it."""
        return take_lock(self._folder / name)


class AdvisoryLocks:
    """Advisory locks of PostgreSQL's sessions, for workers that share no disk.

    Args:
        engine: Without a pool: a closed connection must end its session.
        study: Name of the study.
    """

    def __init__(self, engine: Engine, study: str) -> None:
        self._engine = engine
        self._study = study

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Wait for it."""
        with self._engine.connect() as connection:
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({self._key(name)})")
            connection.commit()  # the session holds it, not the transaction
            yield

    def take(self, name: str) -> ExitStack | None:
        """Try it."""
        with ExitStack() as held:
            connection = held.enter_context(self._engine.connect())
            taken = connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({self._key(name)})").scalar_one()
            connection.commit()
            return held.pop_all() if taken else None

    def _key(self, name: str) -> int:
        digest = hashlib.sha256(f"voxloop/{self._study}/{name}".encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)
