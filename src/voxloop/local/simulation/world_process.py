"""The world, seen from outside: a process that is told "the next window" and says when it has talked.

What plays in it nobody here knows: this side has its command line, and what it answers.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from voxloop.errors import VoxloopError


class WorldProcess:
    """Starts the world and speaks with it; a context manager that ends it.

    Args:
        arguments: Of its command line.
        environment: Its variables.
        log: File that takes what it complains about.
    """

    MODULE = "voxloop.local.simulation.talk"

    def __init__(self, arguments: tuple[str, ...], environment: Mapping[str, str], log: Path) -> None:
        self._command = [sys.executable, "-P", "-m", self.MODULE, *arguments]
        self._environment, self._log = dict(environment), log
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        with self._log.open("a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()

    def ask(self, **what: object) -> dict[str, Any]:
        """Ask for one thing and wait until it is done.

        Raises:
            VoxloopError: It could not, or the process has ended.
        """
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise VoxloopError("the world was not started")
        try:
            process.stdin.write(json.dumps(what) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        line = process.stdout.readline()
        if not line:
            raise self._ended()
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise VoxloopError(f"the world says: {answer['error']}", remedy=f"its log is {self._log}")
        return answer

    def _ended(self) -> VoxloopError:
        return VoxloopError("the world has ended", remedy=f"the end of {self._log} says why")
