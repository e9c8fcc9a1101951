"""Homes with a real ledger and a registry in SQLite beside it, small, for backups; and one who writes to both."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.unit.ledger.books import KEY, make_draft
from voxloop.ledger.book import Ledger, open_ledger
from voxloop.settings import Settings

ARTIFACT = "artifacts/0/run/model/_record.json"


def make_home(settings: Settings, entries: int = 5) -> Ledger:
    """Return the ledger of a home with so many entries, each mirrored in the registry."""
    home = settings.home
    (home / "mlflow" / ARTIFACT).parent.mkdir(parents=True)
    (home / "mlflow" / ARTIFACT).write_text('{"artifact": 1}')
    (home / "mlflow" / "artifacts" / "0" / "run" / "public.key").write_text("an artifact, whatever its name")
    (home / "mlflow" / "accounts.json").write_text("{}")
    (home / "mlflow" / "service.password").write_text("hush")
    (home / "runner.key").write_bytes(KEY)
    with closing(sqlite3.connect(home / "mlflow" / "mlflow.db")) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE mirrored (head INTEGER)")
        database.commit()
    ledger = open_ledger(settings)
    for number in range(1, entries + 1):
        write_both(settings, ledger, number)
    return ledger


def write_both(settings: Settings, ledger: Ledger, number: int) -> None:
    """Do what a promotion does: the ledger first, then the registry's picture of it."""
    sequence = ledger.append(make_draft(number)).sequence
    with closing(sqlite3.connect(settings.home / "mlflow" / "mlflow.db", timeout=30)) as database:
        database.execute("INSERT INTO mirrored VALUES (?)", (sequence,))
        database.commit()


def read_mirrored(home: Path) -> int:
    """Return the newest entry that the registry knows of."""
    with closing(sqlite3.connect(home / "mlflow" / "mlflow.db")) as database:
        return int(database.execute("SELECT max(head) FROM mirrored").fetchone()[0] or 0)
