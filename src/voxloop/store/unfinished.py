"""What a step that was stopped has done so far, kept for the same step to go on from: `.unfinished/<step>/<key>/`.

It is no result and nobody takes it for one: it lies beside the steps' folders under a name no step has. One process at
a time holds it. The key names inputs, configuration and code, so nothing is gone on with under other data; and what
was done before somebody was erased may have learnt from them, so it is thrown away.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voxloop.store.atomic import write_file
from voxloop.store.sweep import DOOMED, delete, doom, hold_store

UNFINISHED = ".unfinished"
_TOMBSTONES, _WORK = "tombstones.digest", "work"
LOOK_SECONDS = 0.5
"""Between two looks whether the other process has ended."""


class Unfinished:
    """One held folder.

    Args:
        place: `<store>/.unfinished/<step>/<key>`.
    """

    def __init__(self, place: Path) -> None:
        self.place = place

    def open(self, tombstones: str) -> Path:
        """Return the folder for the step's own files, empty unless left under the same digest of tombstones."""
        marker, work = self.place / _TOMBSTONES, self.place / _WORK
        if not marker.is_file() or marker.read_text(encoding="utf-8") != tombstones:
            if work.exists():
                delete(doom(work))
            write_file(marker, tombstones)
        work.mkdir(exist_ok=True)
        return work

    def discard(self) -> None:
        """Delete it all: the step is done, or what it did must not be gone on with."""
        delete(doom(self.place))


@contextmanager
def hold_unfinished(store: Path, step: str, key: str) -> Iterator[Unfinished]:
    """Hold the folder of one step alone, waiting while another process holds it; it outlives this process.

    The kernel lets go of it when the process ends, however it ends.

    Args:
        store: Folder of the job store.
        step: Name of the step.
        key: Digest of all it is made from.
    """
    place = _place(store, step, key)
    told = False
    while (handle := _try_hold(store, place)) is None:
        if not told:
            print(f"step {step}: another process computes {key[:12]}, waiting for it", flush=True)
            told = True
        time.sleep(LOOK_SECONDS)
    try:
        yield Unfinished(place)
    finally:
        os.close(handle)


def discard_unfinished(store: Path, step: str, key: str) -> None:
    """Delete what a finished step has left; of a place another process holds nothing is touched."""
    place = _place(store, step, key)
    if place.is_dir() and not is_held(place):
        delete(doom(place))


def find_unfinished(store: Path) -> tuple[list[Path], list[Path]]:
    """Return the unfinished steps of a store: those that wait, and those a process is working on."""
    places = [path for path in sorted(store.glob(f"{UNFINISHED}/*/*")) if not path.name.startswith(DOOMED)]
    held = [path for path in places if is_held(path)]
    return [path for path in places if path not in held], held


def is_held(place: Path) -> bool:
    """Return whether some process holds an unfinished step, this one included."""
    handle = _lock(place)
    if handle is not None:
        os.close(handle)
    return handle is None


def _place(store: Path, step: str, key: str) -> Path:
    return store / UNFINISHED / step / key


def _try_hold(store: Path, place: Path) -> int | None:
    """Return the open handle that holds `place`, None while another has it."""
    with hold_store(store, alone=False):  # a sweep takes no folder away between its making and its lock
        place.mkdir(parents=True, exist_ok=True)
        try:
            handle = _lock(place)
        except FileNotFoundError:  # whoever held it has finished and removed it
            return None
        if handle is not None and not _is_at(place, handle):
            os.close(handle)
            return None
        return handle


def _lock(place: Path) -> int | None:
    handle = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _is_at(place: Path, handle: int) -> bool:
    """Return whether the open folder is still the one under that name."""
    try:
        found = place.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(handle))
