"""What a failure of the ledger's database means, told without its address, which can hold a password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.errors import IntegrityError, ServiceUnavailableError, VoxloopError
from voxloop.ledger.head import RUNBOOK

if TYPE_CHECKING:
    from sqlalchemy.exc import DatabaseError, OperationalError


@contextmanager
def explained(name: str, file: Path | None) -> Iterator[None]:
    """Turn a database's errors into ours.

    Args:
        name: Of the database, for the message.
        file: Of SQLite; None for a server.
    """
    from sqlalchemy import exc

    try:
        yield
    except exc.OperationalError as lost:
        if file is not None and (known := _explain_sqlite(name, lost)):
            raise known from None
        raise ServiceUnavailableError(
            f"the ledger in {name} does not answer ({type(lost.orig).__name__})",
            rule="it is written by one process at a time, and VOXLOOP_LEDGER_URL names it if it is on a server",
            remedy="look whether it runs and who holds it; the same command goes on",
        ) from None
    except exc.ProgrammingError as refused:
        raise VoxloopError(
            f"the ledger in {name} refuses ({type(refused.orig).__name__})",
            rule="its user may read and insert; tables are made and changed by their owner",
            remedy="as the owner: voxloop ledger migrate",
        ) from None
    except exc.DatabaseError as wrong:
        raise _damaged(name, wrong) from None


def _explain_sqlite(name: str, lost: OperationalError) -> VoxloopError | None:
    """Return what a failure of SQLite means; None for a database that another process holds."""
    code = getattr(lost.orig, "sqlite_errorname", "")
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return None
    if code.startswith(("SQLITE_ERROR", "SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return _damaged(name, lost)
    return VoxloopError(
        f"the ledger in {name} cannot be read or written ({lost.orig})",
        rule="its file and folder can be written, on a disk with room",
        remedy="mend that; the same command goes on",
    )


def _damaged(name: str, wrong: DatabaseError) -> IntegrityError:
    cause = wrong.orig
    return IntegrityError(
        f"the ledger in {name} cannot be read or written ({type(cause).__name__}: {cause})",
        rule="it is a database of the form its migrations gave it, and only grows",
        remedy=RUNBOOK,
    )
