"""Files and folders that are there whole or not at all: written beside, synced, renamed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voxloop.errors import InputError


def write_file(path: Path, content: bytes | str, *, mode: int = 0o644) -> Path:
    """Replace `path` by `content` in one step.

    Args:
        path: The file; its folder is made when missing.
        content: Bytes, or text written as UTF-8.
        mode: Permission bits of the new file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
        beside.chmod(mode)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return path


@contextmanager
def build_folder(out: Path) -> Iterator[Path]:
    """Give a folder beside `out` to fill; on success it is synced and becomes `out`, on any error it is gone.

    Raises:
        InputError: `out` is a file, or a folder that already holds something.
    """
    refuse_occupied(out)
    beside = make_beside(out)
    try:
        yield beside
        sync_tree(beside)
        if out.exists():
            out.rmdir()
        beside.rename(out)
    except BaseException:
        remove_tree(beside)
        raise
    sync_folder(out.parent)


def refuse_occupied(out: Path) -> None:
    """Raise `InputError` when writing to `out` would mix with or destroy what is there."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(
            f"{out} already holds something",
            rule="a step writes into a folder of its own",
            remedy="name another folder or remove this one",
        )


def make_beside(target: Path) -> Path:
    """Make a folder beside `target` to be renamed to it; what killed processes left of the same is removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for leftover in target.parent.glob(f".{target.name}.building-*"):
        if not is_alive(int(leftover.name.split("-")[-2])):
            remove_tree(leftover)
    beside = Path(tempfile.mkdtemp(prefix=f".{target.name}.building-{os.getpid()}-", dir=target.parent))
    beside.chmod(0o755)
    return beside


def remove_tree(folder: Path) -> None:
    """Delete a folder, read-only parts of it too."""
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


def is_alive(process: int) -> bool:
    """Return whether a process of this number runs on this machine, whoever owns it."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def sync_tree(folder: Path) -> None:
    """Flush every file and folder under `folder` to the disk."""
    for path in [*folder.rglob("*"), folder]:
        sync_folder(path)


def sync_folder(path: Path) -> None:
    """Flush one file or folder entry to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
