"""One epoch of one training, timed; and what memory it took while others wait beside it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Protocol

import torch

from voxloop.errors import VoxloopError

GIB = 2**30


@dataclass(frozen=True)
class Lap:
    """The steps of an epoch that were timed.

    Args:
        seconds: Of the wall, the device idle at both ends.
        audio: Seconds of audio, padding and changes of speed not counted.
        waited: Seconds of them that the loop waited for its data.
        whole: Seconds of all steps of the epoch.
    """

    seconds: float
    audio: float
    waited: float
    whole: float

    @property
    def speed(self) -> float:
        """Seconds of audio a second."""
        return self.audio / self.seconds


class StopWatch:
    """Times the steps of an epoch behind the first few, in which the threads that make batches get going.

    Args:
        device: Waited for at both ends; a GPU works on after a step has returned.
        skipped: Steps before the timing begins.
    """

    def __init__(self, device: torch.device, skipped: int) -> None:
        self.device, self.skipped = device, skipped

    def start(self, steps: int) -> None:
        """Begin an epoch of so many steps."""
        assert steps > self.skipped, f"{steps} steps an epoch, of which {self.skipped} are not timed: take more minutes"
        self._steps, self._done, self._audio = steps, 0, 0.0
        self._began = self._now()
        self._started, self._waited_before = self._began, 0.0

    def step(self, audio: float, waited: float) -> Lap | None:
        """Count a step, `waited` being seconds since the epoch began; return the lap after the last one."""
        self._done += 1
        if self._done <= self.skipped:
            self._waited_before = waited
            self._started = self._now() if self._done == self.skipped else self._started
            return None
        self._audio += audio
        if self._done < self._steps:
            return None
        ended = self._now()
        return Lap(ended - self._started, self._audio, waited - self._waited_before, ended - self._began)

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.monotonic()


class Contestant(Protocol):
    """A training that does an epoch when it is told to."""

    @property
    def name(self) -> str:
        """What it is called in the table."""

    @property
    def parameters(self) -> int:
        """How many its network has."""

    @property
    def precision(self) -> str:
        """Its arithmetic, by Lightning's name."""

    @property
    def compiled(self) -> bool:
        """Whether torch.compile was asked for."""

    def lap(self, number: int) -> Lap:
        """Train epoch `number`, counted from 0: of the same batches as the others'."""

    def forward_flops(self) -> float:
        """Operations of the forward pass, for each second of audio."""


@dataclass
class Result:
    """What became of a contestant."""

    contestant: Contestant
    warm_up: Lap | None = None
    """The first epoch, which allocates, chooses algorithms and compiles; it does not count."""
    laps: list[Lap] = field(default_factory=list)
    peak_bytes: int = 0
    """Most memory that it held at once, its weights and optimiser included, those of the others not."""
    failure: str | None = None

    @property
    def finished(self) -> bool:
        """Whether it has figures."""
        return self.failure is None and bool(self.laps)

    @property
    def speed(self) -> float:
        """Median seconds of audio a second."""
        return median(lap.speed for lap in self.laps)

    @property
    def waiting(self) -> float:
        """Share of the timed seconds that it waited for data."""
        return sum(lap.waited for lap in self.laps) / sum(lap.seconds for lap in self.laps)

    def ratio_to(self, other: Result) -> float:
        """Median over the epochs of this one's speed over the other's in the same epoch."""
        return median(one.speed / two.speed for one, two in zip(self.laps, other.laps, strict=True))


class Memory:
    """Tells what a contestant holds from what the others hold, on one device.

    Args:
        device: Nothing is measured where it is no GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._held: dict[str, int] = {}
        self._before = self._allocated()

    def begin(self) -> None:
        """Note what is there before a contestant is built or runs."""
        self._before = self._allocated()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)

    def end(self, name: str) -> int:
        """Count what has come as the contestant's own, and return the most bytes it has held since `begin`."""
        own = self._held.get(name, 0)
        self._held[name] = own + self._allocated() - self._before
        if self.device.type != "cuda":
            return 0
        return torch.cuda.max_memory_allocated(self.device) - self._before + own

    def _allocated(self) -> int:
        return torch.cuda.memory_allocated(self.device) if self.device.type == "cuda" else 0


def race(results: Sequence[Result], rounds: int, memory: Memory) -> None:
    """Have every contestant train an epoch in turn, so that the clocks of a warm GPU and others' work meet all alike.

    One that fails is out, and the others go on.

    Args:
        results: Filled in.
        rounds: Epochs that count, after one that does not.
        memory: Has seen each contestant built.
    """
    for number in range(1 + rounds):
        shift = number % len(results)
        for result in (*results[shift:], *results[:shift]):
            if result.failure is None:
                _run_lap(result, number, memory)


def _run_lap(result: Result, number: int, memory: Memory) -> None:
    memory.begin()
    try:
        lap = result.contestant.lap(number)
    except (RuntimeError, VoxloopError) as failed:  # a compiler that is missing, memory that is too little
        result.failure = str(failed).strip().splitlines()[0]
        print(f"{result.contestant.name}: {result.failure}", flush=True)
        return
    finally:
        peak = memory.end(result.contestant.name)
    if number == 0:
        result.warm_up = lap
    else:
        result.laps.append(lap)
        result.peak_bytes = max(result.peak_bytes, peak)
    waited = f"{lap.waited / lap.seconds:.1%} waiting for data"
    print(f"epoch {number}, {result.contestant.name}: {lap.speed:,.0f} audio s/s, {waited}", flush=True)
