"""The mark that a restore has begun to swap: until it ends, nobody takes half of it for a ledger."""

from __future__ import annotations

from pathlib import Path

from voxloop.errors import RefusedError

MARK_NAME = "restoring.json"


def require_settled(home: Path) -> None:
    """Raise `RefusedError` while a restore into a home was begun and not ended."""
    if (home / MARK_NAME).exists():
        raise RefusedError(
            f"a restore into {home} was begun and not ended",
            rule="ledger and registry are swapped as one",
            remedy="run the same `voxloop restore` again: it goes on",
        )
