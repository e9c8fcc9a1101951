"""Migrations, models and what importing the room costs."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from tests.unit.ledger.books import make_draft, open_book
from voxloop.ledger.database import FILE_NAME
from voxloop.ledger.entry import FIELDS
from voxloop.ledger.revision import REVISION, VERSION_TABLE
from voxloop.ledger.schema import MIGRATIONS
from voxloop.ledger.tables import LedgerTable

COLUMNS = "SELECT name, type, [notnull], dflt_value, pk FROM pragma_table_info('ledger_entry')"


def test_the_migrations_give_the_models(tmp_path: Path) -> None:
    open_book(tmp_path).append(make_draft())
    engine = create_engine(f"sqlite:///{tmp_path / FILE_NAME}")
    with engine.connect() as connection:
        migrated = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(migrated, LedgerTable.metadata) == []
    modelled = create_engine(f"sqlite:///{tmp_path / 'modelled.sqlite'}")
    LedgerTable.metadata.create_all(modelled)
    engine.dispose()
    modelled.dispose()
    found = []
    for name in (FILE_NAME, "modelled.sqlite"):
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            found.append(connection.execute(COLUMNS).fetchall())
    assert found[0] == found[1]
    assert [column[0] for column in found[0]] == list(FIELDS)


def test_a_column_the_migrations_lack_would_be_noticed(tmp_path: Path) -> None:
    open_book(tmp_path).append(make_draft())
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        connection.execute("ALTER TABLE ledger_entry DROP COLUMN sealer")
    engine = create_engine(f"sqlite:///{tmp_path / FILE_NAME}")
    with engine.connect() as connection:
        migrated = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert [change[0] for change in compare_metadata(migrated, LedgerTable.metadata)] == ["add_column"]
    engine.dispose()


def test_the_newest_migration_is_the_one_the_code_knows() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


def test_importing_the_room_loads_no_database() -> None:
    script = (
        "import sys; import voxloop.ledger.book, voxloop.ledger.looks, voxloop.ledger.acts, voxloop.jobs.ledger;"
        "print([m for m in sys.modules if m in {'sqlalchemy','sqlmodel','alembic','psycopg','torch','numpy'}])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
