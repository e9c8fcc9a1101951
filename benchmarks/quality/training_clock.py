"""How long a training takes, and an epoch of it, in seconds of the processor: other work on the machine counts less.

Not nothing: two threads of one core share its caches, and the same epoch took 1.6 times as long beside other work.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from voxloop.store.atomic import write_file
from voxloop.training.progress import Progress
from voxloop.training.watching import Silent


class EpochWatch(Silent):
    """Times the second of two epochs, its dev with it: the first pays for what happens once."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._started = time.process_time()

    def start_epoch(self, progress: Progress, steps: int) -> None:  # noqa: ARG002 - a watcher's signature
        """Start the clock."""
        self._started = time.process_time()

    def finish_epoch(self, progress: Progress, *, better: bool) -> None:  # noqa: ARG002 - a watcher's signature
        """Stop it."""
        self.seconds = time.process_time() - self._started


class Stopwatch:
    """Adds the seconds of its block to those of earlier starts, however the block ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._started = 0.0

    def __enter__(self) -> None:
        self._started = time.process_time()

    def __exit__(self, *_: object) -> None:
        before = json.loads(self._path.read_text(encoding="utf-8")) if self._path.is_file() else 0.0
        write_file(self._path, json.dumps(round(before + time.process_time() - self._started, 1)))
