"""Where the time of a local run went, step by step, as the stamps in its `kfp.log` tell it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from voxloop.errors import InputError
from voxloop.runners.kfp_log import read_stamp, strip_colour

_DAY = 86_400.0
_STAMPED = re.compile(r"(?P<stamp>\d\d:\d\d:\d\d\.\d{3}) - \w+ - (?P<said>.*)")
_PIPELINE = re.compile(r"Running pipeline: ")
_STARTED = re.compile(r"Executing task '(?P<step>[^']+)'")
_ENDED = re.compile(r"Task '(?P<step>[^']+)' finished with status SUCCESS")
_EXECUTOR = re.compile(r"\s*\[KFP Executor \S+ (?P<stamp>[\d:]+),(?P<milli>\d{3}) \w+\]: (?P<said>.*)")
_ENTERED, _LEFT = "Got executor_input", ("Wrote executor output", "Did not write output")
_WORKED = re.compile(r"\s*step \S+: computed \S+ in (?P<seconds>[\d.]+) s")
_REUSED = re.compile(r"\s*step \S+: reused ")


@dataclass(frozen=True)
class StepTimes:
    """Seconds of one step that came to its end.

    Args:
        step: Its name.
        wall: From kfp.local's first word about it to its last.
        start: Until its function was called: a process, Python, kfp's executor.
        call: In its function: the job, with what it imports, the digests of its inputs, the copy into the job store.
        work: In the job's own work, as the job says; None of an act, which does not say it.
        reused: Whether its result came from the job store.
    """

    step: str
    wall: float
    start: float
    call: float
    work: float | None
    reused: bool

    @property
    def job(self) -> float:
        """What was the job's: its work where it is known, nothing of a kept result, and the whole call of an act."""
        if self.reused:
            return 0.0
        return self.call if self.work is None else min(self.work, self.call)


@dataclass(frozen=True)
class RunTimes:
    """Seconds of a run's last attempt, from kfp.local's first word to its last, and of its steps in their order."""

    wall: float
    steps: tuple[StepTimes, ...]


def read_times(path: Path) -> RunTimes:
    """Read a run's `kfp.log`. Its stamps have no date: an attempt of more than a day is taken for one of the rest.

    Raises:
        InputError: There is none, or no step came to its end in its last attempt.
    """
    try:
        lines = [strip_colour(line) for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError as missing:
        raise InputError(
            f"{path} cannot be read ({missing.strerror})",
            rule="a local run of a pipeline leaves its log there",
            remedy="name the folder of one",
        ) from None
    begun = max((place for place, line in enumerate(lines) if _says(line, _PIPELINE)), default=0)
    lines = lines[begun:]
    stamps = [read_stamp(found["stamp"]) for line in lines if (found := _STAMPED.match(line))]
    steps = tuple(_read_steps(lines))
    if not steps:
        raise InputError(
            f"{path} tells of no step that came to its end", rule="times are told of those", remedy="name another run"
        )
    return RunTimes(_between(stamps[0], stamps[-1]), steps)


def _says(line: str, pattern: re.Pattern[str]) -> re.Match[str] | None:
    found = _STAMPED.match(line)
    return pattern.match(found["said"]) if found else None


def _read_steps(lines: Iterable[str]) -> Iterator[StepTimes]:
    """Yield the steps that ended well: they run one after the other."""
    begun, entered, left = 0.0, 0.0, 0.0
    work: float | None = None
    reused = False
    for line in lines:
        if _says(line, _STARTED):
            begun = entered = left = _stamp_of(line)
            work, reused = None, False
        elif (found := _EXECUTOR.match(line)) and found["said"].startswith((_ENTERED, *_LEFT)):
            at = read_stamp(f"{found['stamp']}.{found['milli']}")
            entered, left = (at, at) if found["said"].startswith(_ENTERED) else (entered, at)
        elif found := _WORKED.match(line):
            work = float(found["seconds"])
        elif _REUSED.match(line):
            reused = True
        elif ended := _says(line, _ENDED):
            wall = _between(begun, _stamp_of(line))
            yield StepTimes(ended["step"], wall, _between(begun, entered), _between(entered, left), work, reused)


def _stamp_of(line: str) -> float:
    return read_stamp(line.split(" ", 1)[0])


def _between(begun: float, ended: float) -> float:
    return (ended - begun) % _DAY
