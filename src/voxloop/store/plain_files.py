"""Reading files somebody else may have made: plain ones of a sane size, JSON that means one thing."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from voxloop.errors import InputError

MOST_JSON_BYTES = 64 * 2**20
"""A report of a training of 10,000 epochs has 3 MiB; Python's objects take ten times a text's bytes."""


def read_plain_file(path: Path, *, most: int) -> bytes:
    """Return the bytes of a plain file; no link is followed and no pipe waited for.

    Raises:
        InputError: It is missing, a link, no plain file, or larger than `most` bytes.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as closed:
        raise _refuse(path, f"cannot be read ({'it is a link' if path.is_symlink() else closed.strerror})") from None
    with os.fdopen(handle, "rb") as stream:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise _refuse(path, "is no plain file")
        if found.st_size > most:
            raise _refuse(path, f"has {found.st_size:,} bytes, at most {most:,} are read")
        return stream.read(most)


def read_json_object(path: Path, *, most: int = MOST_JSON_BYTES) -> dict[str, Any]:
    """Return the object a JSON file holds.

    Raises:
        InputError: As `read_plain_file`; or it is not JSON, holds a key twice, a NaN or an infinity, an integer of
            more digits than Python reads, more levels than Python can take, or something other than an object.
    """
    content = read_plain_file(path, most=most)
    try:
        value = json.loads(
            content.decode("utf-8"), object_pairs_hook=_without_doubles, parse_constant=_no_number, parse_float=_finite
        )
    except RecursionError:
        raise _refuse(path, "is nested too deep") from None
    except ValueError as malformed:
        raise _refuse(path, f"is not JSON as voxloop writes it: {malformed}") from None
    if not isinstance(value, dict):
        raise _refuse(path, f"holds a {type(value).__name__}, not an object")
    return value


def require_plain_tree(folder: Path) -> None:
    """Return when `folder` holds plain files, in folders that are not empty, and nothing else.

    Raises:
        InputError: It is missing, empty or a link; or a link, a pipe or an empty folder lies in it.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise _refuse(folder, "is no folder")
    for path in (folder, *folder.rglob("*")):
        kind = path.lstat().st_mode
        if stat.S_ISDIR(kind):
            if not any(path.iterdir()):
                raise _refuse(path, "is an empty folder")
        elif not stat.S_ISREG(kind):
            raise _refuse(path, "is no plain file")


def _without_doubles(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} stands there twice")
        found[key] = value
    return found


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is no number of 64 bits")
    return value


def _refuse(path: Path, problem: str) -> InputError:
    return InputError(f"{path.parent.name}/{path.name} {problem}", remedy="make it again with the step that writes it")
