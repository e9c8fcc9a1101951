"""The tables, brought to what this code reads and writes by Alembic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.errors import VoxloopError
from voxloop.ledger.pen import TABLE
from voxloop.ledger.revision import REVISION, VERSION_TABLE

if TYPE_CHECKING:
    from sqlalchemy import Connection

MIGRATIONS = Path(__file__).with_name("migrations")


def migrate(connection: Connection) -> None:
    """Bring the tables to what this code reads and writes, inside the connection's transaction.

    Raises:
        VoxloopError: They were made by a newer version.
    """
    found = _read_revision(connection)
    if found == REVISION:
        return
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    try:
        command.upgrade(config, "head")
    except CommandError:
        raise VoxloopError(
            f"the ledger's tables were made by a newer version of voxloop (revision {found})",
            rule=f"this one knows them up to {REVISION}",
            remedy="use the newer version",
        ) from None


def _read_revision(connection: Connection) -> str | None:
    from sqlalchemy import inspect

    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar()  # noqa: S608
    return found


def has_entries(connection: Connection) -> bool:
    """Return whether there is a table of entries."""
    from sqlalchemy import inspect

    return inspect(connection).has_table(TABLE)
