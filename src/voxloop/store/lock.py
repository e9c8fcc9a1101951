"""One process at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Wait for the lock file at `path` and hold it; the kernel lets go of it when the process ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def take_lock(path: Path) -> ExitStack | None:
    """Hold the lock file at `path` until what is returned is closed; None while another holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        stream = held.enter_context(path.open("a"))
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        return held.pop_all()
