"""Taking things away so that a kill at any moment leaves them whole, or marked and half gone for the next to finish.

What goes is renamed to `.doomed-…` beside itself first, in one step: nobody meets a half-deleted folder under its name.
A lock that steps share and a sweep holds alone keeps a sweep from taking a result while a step copies it.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from voxloop.store.atomic import is_alive, remove_tree, sync_folder

DOOMED = ".doomed-"
_BUILDING = re.compile(r"\..+\.building-(?P<process>\d+)-[^-]+")


@contextmanager
def hold_store(store: Path, *, alone: bool) -> Iterator[None]:
    """Hold the lock of a store: steps that read it share it, whoever takes results away holds it alone.

    The kernel lets go of it when the process ends, however it ends.
    """
    path = store.with_name(f".{store.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


def doom(path: Path) -> Path:
    """Rename a file or folder to a name nobody looks for; return it."""
    if path.is_dir() and not path.is_symlink():
        path.chmod(0o755)  # a folder must be writable by its owner to be renamed
    parent_mode = path.parent.stat().st_mode
    path.parent.chmod(parent_mode | 0o700)
    gone = path.rename(path.with_name(f"{DOOMED}{path.name}-{secrets.token_hex(4)}"))
    sync_folder(path.parent)
    return gone


def delete(path: Path) -> None:
    """Delete a file, a link or a folder, read-only parts of it too; nothing happens when it is gone already."""
    if path.is_dir() and not path.is_symlink():
        with suppress(FileNotFoundError):  # another process ends the same job
            remove_tree(path)
    else:
        path.unlink(missing_ok=True)


def find_doomed(roots: Iterable[Path]) -> list[Path]:
    """Return what earlier sweeps marked and did not live to delete, anywhere below `roots`."""
    return sorted(path for root in roots for path in _walk(root) if path.name.startswith(DOOMED))


def find_leftovers(roots: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Return the half-built folders below `roots`: those of processes that are gone, and those still being filled."""
    return sort_leftovers(path for root in roots for path in _walk(root))


def sort_leftovers(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Return those of `paths` that are half-built folders: of processes that are gone, and still being filled."""
    dead: list[Path] = []
    alive: list[Path] = []
    for path in sorted({*paths}):
        if (found := _BUILDING.fullmatch(path.name)) and path.is_dir():
            (alive if is_alive(int(found["process"])) else dead).append(path)
    return dead, alive


def weigh(path: Path) -> int:
    """Return the bytes of a file or of all files below a folder."""
    return sum(found.st_size for found in stat_below(path) if not stat.S_ISDIR(found.st_mode))


def last_change(path: Path) -> float:
    """Return when a file, or a folder or anything below it, was written last: seconds since 1970, 0 if it is gone."""
    return max((found.st_mtime for found in stat_below(path)), default=0.0)


def stat_below(path: Path) -> Iterator[os.stat_result]:
    """Yield what the system knows of a path and of everything below it; what vanishes meanwhile is left out."""
    below = path.rglob("*") if path.is_dir() and not path.is_symlink() else ()
    for one in (path, *below):
        with suppress(FileNotFoundError):
            yield one.lstat()


def _walk(root: Path) -> Iterator[Path]:
    """Yield folders and files below `root`, not what is inside a doomed or half-built folder."""
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            yield Path(folder) / name
        folders[:] = [name for name in folders if not name.startswith(DOOMED) and not _BUILDING.fullmatch(name)]
