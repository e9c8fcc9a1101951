"""Our engine as a contestant: a training as a job does it, which stops after each epoch and goes on when told."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import torch

from benchmarks.gpu_training.flops import count_forward
from benchmarks.gpu_training.laps import Lap, StopWatch
from voxloop.tasks.asr import AsrConfig
from voxloop.training.devices import open_fabric, reproducible
from voxloop.training.endings import PrunedTrainingError
from voxloop.training.engine import Engine
from voxloop.training.interruption import Interruption
from voxloop.training.losses import Step
from voxloop.training.material import Material
from voxloop.training.progress import Progress
from voxloop.training.watching import Silent


class Timing(Silent):
    """Times the steps of each epoch and wants to end after it."""

    def __init__(self, watch: StopWatch) -> None:
        self.watch = watch
        self.lap: Lap | None = None
        self.losses: list[float] = []

    def start_epoch(self, progress: Progress, steps: int) -> None:  # noqa: ARG002 - a watcher's signature
        """Start the watch."""
        self.watch.start(steps)

    def step(self, progress: Progress, audio_seconds: float, waited: float) -> None:  # noqa: ARG002 - a watcher's signature
        """Count the step."""
        self.lap = self.watch.step(audio_seconds, waited)

    def settle(self, progress: Progress, steps: Sequence[Step]) -> None:  # noqa: ARG002 - a watcher's signature
        """Write the losses down."""
        self.losses += [step.loss for step in steps]

    def wants_to_end(self, progress: Progress) -> bool:  # noqa: ARG002 - a watcher's signature
        """After every epoch."""
        return True


class EngineRun:
    """The engine with one configuration.

    Args:
        name: What it is called.
        material: Shared by all: the examples lie in memory once.
        recipe: Its configuration.
        skipped: Steps of an epoch that are not timed.
    """

    def __init__(self, name: str, material: Material, recipe: AsrConfig, skipped: int) -> None:
        self.name, self.recipe = name, recipe
        with reproducible(recipe):
            fabric = open_fabric(recipe)
            self.timing = Timing(StopWatch(fabric.device, skipped))
            self.engine = Engine(
                fabric,
                replace(material, recipe=recipe),
                store=None,
                interruption=Interruption(),
                watcher=self.timing,
            )

    @property
    def parameters(self) -> int:
        """How many the network has."""
        return sum(parameter.numel() for parameter in self.engine.bare.parameters())

    @property
    def precision(self) -> str:
        """Arithmetic: a CPU has one only."""
        return self.recipe.devices.precision if self.engine.fabric.device.type == "cuda" else "32-true"

    @property
    def compiled(self) -> bool:
        """Whether torch.compile was asked for."""
        return self.recipe.devices.compile

    def lap(self, number: int) -> Lap:
        """Train one epoch; dev is scored behind it, off the clock."""
        assert self.engine.progress.epoch == number
        # Ended by its watcher, it goes on where it stands when it is run again.
        with reproducible(self.recipe), suppress(PrunedTrainingError):
            self.engine.run()
        assert self.timing.lap is not None
        return self.timing.lap

    def forward_flops(self) -> float:
        """Operations of the network's forward pass, for each second of audio."""
        self.engine.bare.train()
        return count_forward(self.engine.bare, self.engine, self.engine.fabric.device)

    @property
    def device(self) -> torch.device:
        """Where it trains."""
        return self.engine.fabric.device
