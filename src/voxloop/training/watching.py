"""What a training tells while it runs: a bar on a terminal, a line an epoch everywhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any, Protocol

from tqdm import tqdm

from voxloop.tasks import Objective
from voxloop.training.losses import Step
from voxloop.training.progress import Progress

DRAW_SECONDS = 0.1
"""The bar is drawn at most this often: its text takes longer than the rest of what a step tells."""


class Watcher(Protocol):
    """Who follows a training on rank 0."""

    def start_epoch(self, progress: Progress, steps: int) -> None:
        """Be told that an epoch of `steps` steps begins, or goes on at `progress.epoch_step`."""

    def step(self, progress: Progress, audio_seconds: float, waited: float) -> None:
        """Be told that a step is done: its audio, and the epoch's seconds of waiting for data so far."""

    def settle(self, progress: Progress, steps: Sequence[Step]) -> None:
        """Be told the losses of the last steps, as soon as they are read: at once on a CPU, later on a GPU."""

    def finish_epoch(self, progress: Progress, *, better: bool) -> None:
        """Be told that an epoch is done and dev was scored."""

    def resumed(self, progress: Progress) -> None:
        """Be told that the training goes on from a checkpoint."""

    def wants_to_end(self, progress: Progress) -> bool:
        """Return whether to end after this epoch; any rank's yes counts."""


class Silent:
    """A watcher that says nothing: ranks other than the first."""

    def start_epoch(self, progress: Progress, steps: int) -> None:
        """Say nothing."""

    def step(self, progress: Progress, audio_seconds: float, waited: float) -> None:
        """Say nothing."""

    def settle(self, progress: Progress, steps: Sequence[Step]) -> None:
        """Say nothing."""

    def finish_epoch(self, progress: Progress, *, better: bool) -> None:
        """Say nothing."""

    def resumed(self, progress: Progress) -> None:
        """Say nothing."""

    def wants_to_end(self, progress: Progress) -> bool:  # noqa: ARG002 - a watcher's signature
        """Never."""
        return False


class ProgressLines(Silent):
    """Prints a line an epoch, and a bar of the epoch under way where a person looks.

    Args:
        epochs: Epochs at most.
        objective: The measure shown.
    """

    def __init__(self, epochs: int, objective: Objective) -> None:
        self.epochs = epochs
        self.objective = objective
        self._bar: tqdm[Any] | None = None
        self._started = self._trained = self._drawn = 0.0
        self._audio = self._waited = 0.0

    def start_epoch(self, progress: Progress, steps: int) -> None:
        """Open the bar."""
        self._started, self._audio, self._waited, self._drawn = time.monotonic(), 0.0, 0.0, 0.0
        self._bar = tqdm(
            total=steps,
            initial=progress.epoch_step,
            desc=f"epoch {progress.epoch + 1}/{self.epochs}",
            unit="step",
            leave=False,
            disable=not sys.stderr.isatty(),
        )

    def step(self, progress: Progress, audio_seconds: float, waited: float) -> None:
        """Move the bar, now and then."""
        self._audio, self._waited = self._audio + audio_seconds, waited
        self._trained = time.monotonic() - self._started
        if self._bar is not None and not self._bar.disable and self._trained - self._drawn >= DRAW_SECONDS:
            self._drawn = self._trained
            self._bar.set_postfix_str(self._speed(), refresh=False)
            self._bar.update(progress.epoch_step - self._bar.n)

    def finish_epoch(self, progress: Progress, *, better: bool) -> None:
        """Print the epoch's line."""
        if self._bar is not None:
            self._bar.close()
        done = progress.history[-1]
        value = done.dev[self.objective.name]
        print(
            f"epoch {done.epoch:>3}/{self.epochs}  train loss {done.train_loss:.3f}  dev loss {done.dev_loss:.3f}  "
            f"dev {self.objective.name} {'—' if value is None else format(value, '.3f')}{' *' if better else '  '}  "
            f"{time.monotonic() - self._started:5.1f} s  {self._speed()}",
            flush=True,
        )

    def resumed(self, progress: Progress) -> None:
        """Say where it goes on."""
        place = f"epoch {progress.epoch + 1}, step {progress.epoch_step + 1}"
        print(f"going on from a checkpoint, at {place}", flush=True)

    def _speed(self) -> str:
        seconds = max(self._trained, 1e-9)
        return f"{self._audio / seconds:,.0f} audio s/s, {self._waited / seconds:.1%} waiting for data"
