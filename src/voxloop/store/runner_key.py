"""The secret by which a runner knows its own records again."""

from __future__ import annotations

import secrets
from pathlib import Path

from voxloop.errors import IntegrityError
from voxloop.store.atomic import write_file

KEY_BYTES = 32


def read_runner_key(path: Path) -> bytes:
    """Return the runner's key, making one of 32 random bytes on first use, readable by its owner alone."""
    if not path.exists():
        write_new_key(path)
    if len(key := path.read_bytes()) != KEY_BYTES:
        raise IntegrityError(
            f"{path} holds {len(key)} bytes",
            rule=f"the runner's key has {KEY_BYTES}",
            remedy="restore it from a backup; without one remove it: a new one is made, stored results are computed "
            "again, and a new ledger is begun (docs/runbooks/ledger.md)",
        )
    return key


def write_new_key(path: Path) -> None:
    """Write a fresh key unless another process was faster: the first one there stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = write_file(
        path.with_name(f".{path.name}.{secrets.token_hex(4)}"), secrets.token_bytes(KEY_BYTES), mode=0o600
    )
    try:
        path.hardlink_to(beside)
    except FileExistsError:
        pass
    finally:
        beside.unlink()
