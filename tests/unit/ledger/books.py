"""Ledgers for tests, and what somebody does to one with another tool than ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from voxloop.ledger.book import Ledger
from voxloop.ledger.database import FILE_NAME, open_database
from voxloop.ledger.entry import Draft, Sealer

KEY = bytes(range(32))
AT = datetime(2026, 11, 21, 3, tzinfo=UTC)
TRIGGERS = ("ledger_entry_no_update", "ledger_entry_no_delete", "ledger_entry_in_order")


def open_book(folder: Path, key: bytes = KEY) -> Ledger:
    """Return the ledger in `folder`."""
    return Ledger(open_database(folder, None), folder / "head.json", Sealer(key))


def make_draft(number: int = 1, **changed: object) -> Draft:
    """Return something to write."""
    fields: dict[str, object] = {
        "kind": "judgement",
        "task": "emotion",
        "subject": f"model-{number}",
        "act": f"judgement/{number}",
        "payload": {"verdict": "PASS", "number": number},
        "at": AT + timedelta(minutes=number),
    }
    return Draft(**{**fields, **changed})  # type: ignore[arg-type]


def make_book(folder: Path, entries: int, key: bytes = KEY) -> Ledger:
    """Return a ledger with so many entries."""
    book = open_book(folder, key)
    for number in range(1, entries + 1):
        book.append(make_draft(number))
    return book


@contextmanager
def another_tool(folder: Path, *, drop: bool = True) -> Iterator[sqlite3.Connection]:
    """Open the file as any program can; with `drop` it first takes the triggers and every constraint away."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        if drop:
            for trigger in TRIGGERS:
                connection.execute(f"DROP TRIGGER {trigger}")
            connection.execute("CREATE TABLE bare AS SELECT * FROM ledger_entry")
            connection.execute("DROP TABLE ledger_entry")
            connection.execute("ALTER TABLE bare RENAME TO ledger_entry")
        yield connection
        connection.commit()


@dataclass(frozen=True)
class SetOfSpeech:
    """An evaluation set by name."""

    task: str = "emotion"
    name: str = "home-2026-11-20"
    domain: str = "home"
    looks: Literal["counted", "free"] = "counted"
    digest: str = "d" * 64
