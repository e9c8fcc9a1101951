"""What a failure of the ledger's database means, told without its address, which can hold a password."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from voxloop.errors import IntegrityError, ServiceUnavailableError, VoxloopError
from voxloop.ledger.head import RUNBOOK
from voxloop.ledger.revision import REVISION


@contextmanager
def explained_file(name: str) -> Iterator[None]:
    """Turn SQLite's errors into ours.

    Args:
        name: Of the file, for the message.
    """
    try:
        yield
    except sqlite3.OperationalError as lost:
        raise _explain_lost_file(name, lost) from None
    except sqlite3.DatabaseError as wrong:
        raise _damaged(name, wrong) from None


@contextmanager
def explained_server(name: str) -> Iterator[None]:
    """Turn SQLAlchemy's errors about a server into ours.

    Args:
        name: Of the database, for the message.
    """
    from sqlalchemy import exc

    try:
        yield
    except exc.OperationalError as lost:
        raise _silent(name, lost.orig) from None
    except exc.ProgrammingError as refused:
        raise VoxloopError(
            f"the ledger in {name} refuses ({type(refused.orig).__name__})",
            rule="its user may read and insert; tables are made and changed by their owner",
            remedy="as the owner: voxloop ledger migrate",
        ) from None
    except exc.DatabaseError as wrong:
        raise _damaged(name, wrong.orig) from None


def other_revision(name: str, found: str | None) -> VoxloopError:
    """Return the error of tables that another migration has left than this code reads."""
    return VoxloopError(
        f"the tables of the ledger in {name} are of revision {found}",
        rule=f"this version of voxloop reads {REVISION}",
        remedy="older ones: voxloop ledger migrate, as their owner; newer ones: use the newer version",
    )


def _explain_lost_file(name: str, lost: sqlite3.OperationalError) -> VoxloopError:
    code = getattr(lost, "sqlite_errorname", "")
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return _silent(name, lost)
    if code.startswith(("SQLITE_ERROR", "SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return _damaged(name, lost)
    return VoxloopError(
        f"the ledger in {name} cannot be read or written ({lost})",
        rule="its file and folder can be written, on a disk with room",
        remedy="mend that; the same command goes on",
    )


def _silent(name: str, cause: BaseException | None) -> ServiceUnavailableError:
    return ServiceUnavailableError(
        f"the ledger in {name} does not answer ({type(cause).__name__})",
        rule="it is written by one process at a time, and VOXLOOP_LEDGER_URL names it if it is on a server",
        remedy="look whether it runs and who holds it; the same command goes on",
    )


def _damaged(name: str, cause: BaseException | None) -> IntegrityError:
    return IntegrityError(
        f"the ledger in {name} cannot be read or written ({type(cause).__name__}: {cause})",
        rule="it is a database of the form its migrations gave it, and only grows",
        remedy=RUNBOOK,
    )
