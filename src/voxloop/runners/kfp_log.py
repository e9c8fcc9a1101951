"""kfp.local's torrent of output as a log a person can read: steps, durations, and what the jobs themselves say."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path
from typing import TextIO

_COLOUR = re.compile(r"\x1b\[\d+m")
_STARTED = re.compile(r"[\d:.]+ - INFO - Executing task '(?P<step>[^']+)'")
_ENDED = re.compile(r"[\d:.]+ - \w+ - Task '(?P<step>[^']+)' finished with status (?P<state>\w+)")
_JOB = "    "  # kfp.local indents what a step prints
_DAY = 86_400.0
_TRACEBACK = "Traceback (most recent call last):"


def read_step_seconds(path: Path, step: str) -> float | None:
    """Return how long a step of a local run took, its start included.

    Args:
        path: The run's `kfp.log`. Its stamps have no date: a step of more than a day is taken for one of the rest.
        step: Name of the step.

    Returns:
        None when it is not known: the step was begun more often than once, did not end, or took a kept result.
    """
    if not path.is_file():
        return None
    stamps: dict[str, list[float]] = {"begun": [], "ended": []}
    reused = False
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        plain = strip_colour(line)
        for what, pattern in (("begun", _STARTED), ("ended", _ENDED)):
            if (found := pattern.match(plain)) and found["step"] == step:
                stamps[what].append(read_stamp(plain.split(" ", 1)[0]))
        reused = reused or plain.strip().startswith(f"step {step}: reused")
    if reused or [len(times) for times in stamps.values()] != [1, 1]:
        return None
    return (stamps["ended"][0] - stamps["begun"][0]) % _DAY


def strip_colour(line: str) -> str:
    """Return a line without the codes that colour it."""
    return _COLOUR.sub("", line)


def read_stamp(stamp: str) -> float:
    """Return the second of the day of a stamp, `15:08:12.769`."""
    hours, minutes, seconds = stamp.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


class StepLog(io.TextIOBase):
    """A stand-in for stdout that keeps every line in a file and shows the ones that matter.

    Args:
        path: File that gets everything.
        screen: Where the readable lines go.

    Attributes:
        running: The step that has started and not ended; the failed one after a failure.
        failed: The step kfp.local reported as failed.
        error: The last line of the last traceback a step printed, `package.Error: message`.
        reused: The steps whose job said that its result came from the job store.
    """

    def __init__(self, path: Path, screen: TextIO) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._screen = screen
        self._rest = ""
        self._hidden = ""
        self._since = 0.0
        self.running = ""
        self.failed = ""
        self.error = ""
        self.reused: list[str] = []

    def write(self, text: str) -> int:
        """Take a piece of output; whole lines are sorted as they come."""
        self._file.write(text)
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._sort(strip_colour(line))
        return len(text)

    def flush(self) -> None:
        """Flush the file."""
        if not self._file.closed:
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def _sort(self, line: str) -> None:
        if found := _STARTED.match(line):
            self.running, self.error, self._hidden = found["step"], "", ""
            self._since = time.monotonic()
            self._show(f"{self.running} …")
        elif found := _ENDED.match(line):
            self._end(found["step"], found["state"])
        elif self.running and line.startswith(_JOB):
            self._sort_job(line.removeprefix(_JOB))

    def _end(self, step: str, state: str) -> None:
        seconds = time.monotonic() - self._since
        if state == "SUCCESS":
            self.running = ""
            self._show(f"{step} done in {seconds:.1f} s")
        else:
            self.failed = step
            self._show(f"{step} FAILED after {seconds:.1f} s")

    def _sort_job(self, line: str) -> None:
        if self._hidden:
            self._hide(line)
        elif line.startswith("[KFP Executor"):
            self._hidden = "}" if line.endswith("Got executor_input:") else ""
        elif line.startswith(_TRACEBACK):
            self._hidden = _TRACEBACK
        elif line.strip():
            self._show(f"    {line}")
            if found := re.match(r"step (\S+): reused", line):
                self.reused.append(found[1])

    def _hide(self, line: str) -> None:
        """Swallow kfp's dump of a step's inputs up to its closing brace, or a traceback up to its last line."""
        if self._hidden == "}":
            self._hidden = "" if line == "}" else self._hidden
        elif line.strip() and not line.startswith(" "):
            self.error, self._hidden = line.strip(), ""

    def _show(self, line: str) -> None:
        self._screen.write(line + "\n")
        self._screen.flush()
