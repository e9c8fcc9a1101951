"""The tables, brought to what this code reads and writes by Alembic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.errors import VoxloopError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

MIGRATIONS = Path(__file__).with_name("migrations")


def migrate(connection: Connection) -> None:
    """Bring the tables to what this code reads and writes, inside the connection's transaction.

    Raises:
        VoxloopError: They were made by a newer version.
    """
    from voxloop.ledger.tables import REVISION

    if _read_revision(connection) == REVISION:
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
            "the ledger's tables were made by a newer version of voxloop",
            rule=f"this one knows them up to {REVISION}",
            remedy="use the newer version",
        ) from None


def _read_revision(connection: Connection) -> str | None:
    from sqlalchemy import inspect

    from voxloop.ledger.tables import VERSION_TABLE

    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar()  # noqa: S608
    return found


def has_entries(connection: Connection) -> bool:
    """Return whether there is a table of entries."""
    from sqlalchemy import inspect

    return inspect(connection).has_table(find_table().name)


def find_table() -> Table:
    """Return the table of entries."""
    from voxloop.ledger.tables import LedgerTable

    return LedgerTable.metadata.tables["ledger_entry"]
