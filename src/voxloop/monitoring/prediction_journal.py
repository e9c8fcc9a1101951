"""How many rows a writer was given and how many it wrote, in a file that outlives the process: what a kill has cost.

One number is written for each row, into a file of 48 bytes that lies in the kernel's page cache: 1.1 microseconds, and
SIGKILL does not undo it. A machine that loses power may lose the last numbers with the rows; then too few are counted.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from voxloop.monitoring.prediction_files import (
    OWNER_ALONE,
    WRITER,
    WRITERS,
    Loss,
    count_losses,
    count_rows,
    remove_unfinished,
    write_loss,
)

_OFFERED = struct.Struct("<q")
_SETTLED = struct.Struct("<qqqqq")
KILLED = 99_999_999
"""Number of the note that tells of a kill: a writer has one end."""


@dataclass(frozen=True)
class Settled:
    """What has reached the disk.

    Args:
        written: Rows in files.
        batches: Number of the last file.
        told: Rows in notes of losses.
        notes: Number of the last note.
        at: When, microseconds since 1970.
    """

    written: int
    batches: int
    told: int
    notes: int
    at: int


class Journal:
    """The journal of one run of a writer, locked as long as it lives.

    Args:
        place: Of the log.
        writer: Name of this run.
        at: Aware.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, place: Path, writer: str, at: datetime) -> None:
        self.path = place / WRITERS / f"{writer}.journal"
        self.settled = Settled(0, 0, 0, 0, to_micros(at))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_name(f".{writer}.new")
        self._handle = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, OWNER_ALONE)
        fcntl.flock(self._handle, fcntl.LOCK_EX)  # before it has its name: no other start takes it for a dead one's
        os.write(self._handle, _OFFERED.pack(0) + _pack(self.settled))
        os.fsync(self._handle)
        beside.rename(self.path)

    def offer(self, count: int) -> None:
        """Note how many rows were given so far."""
        os.pwrite(self._handle, _OFFERED.pack(count), 0)

    def settle(self, settled: Settled) -> None:
        """Note what has reached the disk."""
        os.pwrite(self._handle, _pack(settled), _OFFERED.size)
        self.settled = settled

    def close(self, *, is_over: bool) -> None:
        """Let go of it; without it nothing is left to count."""
        if is_over:
            self.path.unlink(missing_ok=True)
        os.close(self._handle)


def recover(place: Path, at: datetime) -> int:
    """Count and write down what killed writers have lost, and remove what they left half-written.

    Returns:
        Rows.

    Raises:
        OSError: The disk does not allow it; then the journals are still there.
    """
    lost = 0
    for path in sorted((place / WRITERS).glob("*.journal")):
        if not WRITER.fullmatch(path.stem):
            continue
        for content in _hold(path):
            lost += _bury(place, path, content, at)
    return lost


def to_micros(at: datetime) -> int:
    """Return a moment as microseconds since 1970."""
    return round(at.timestamp() * 1e6)


def _hold(path: Path) -> Iterator[bytes]:
    """Give the content of a journal whose writer is gone, holding it; nothing where the writer lives."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # another start was faster
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.exists():
            yield os.read(handle, 4_096)
    except BlockingIOError:
        return
    finally:
        os.close(handle)


def _bury(place: Path, path: Path, content: bytes, at: datetime) -> int:
    writer = path.stem
    remove_unfinished(place, writer)
    if len(content) != _OFFERED.size + _SETTLED.size:
        since = datetime.strptime(writer.partition("-")[0], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        loss = Loss(writer, since, at, None, {})
    else:
        (offered,) = _OFFERED.unpack_from(content)
        settled = Settled(*_SETTLED.unpack_from(content, _OFFERED.size))
        written = settled.written + count_rows(place, writer, settled.batches)
        told = settled.told + count_losses(place, writer, settled.notes)
        rows = max(0, offered - written - told)
        loss = Loss(writer, datetime.fromtimestamp(settled.at / 1e6, UTC), at, rows, {"killed": rows})
    if loss.rows != 0:
        write_loss(place, loss, KILLED)
    path.unlink()
    return loss.rows or 0


def _pack(settled: Settled) -> bytes:
    return _SETTLED.pack(settled.written, settled.batches, settled.told, settled.notes, settled.at)
