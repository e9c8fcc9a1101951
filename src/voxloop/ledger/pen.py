"""The queries of the ledger, whatever database it lies in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from typing import Literal

from voxloop.ledger.chain import Row
from voxloop.ledger.entry import FIELDS, Entry

TABLE = "ledger_entry"
_SELECT = f"SELECT {', '.join(FIELDS)} FROM {TABLE}"  # noqa: S608 - names of our own

Execute = Callable[[str, tuple[object, ...]], list[Row]]
"""Runs a statement with its values and returns the rows it gives."""


class Pen:
    """What may be done while the ledger is held.

    Args:
        execute: Runs on a connection, in a transaction; one that has the write lock for who inserts.
        mark: What stands for a value in a statement of this database.
    """

    def __init__(self, execute: Execute, mark: Literal["?", "%s"]) -> None:
        self._execute = execute
        self._mark = mark

    def read_from(self, sequence: int) -> list[Row]:
        """Return the rows from `sequence` on."""
        return self._execute(f"{_SELECT} WHERE sequence >= {self._mark} ORDER BY sequence", (sequence,))

    def find_act(self, act: str) -> Row | None:
        """Return the row of this act."""
        found = self._execute(f"{_SELECT} WHERE act = {self._mark}", (act,))
        return found[0] if found else None

    def insert(self, entry: Entry) -> None:
        """Add a row."""
        marks = ", ".join([self._mark] * len(FIELDS))
        self._execute(f"INSERT INTO {TABLE} ({', '.join(FIELDS)}) VALUES ({marks})", astuple(entry))  # noqa: S608
