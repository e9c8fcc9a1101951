"""One trial: a training that tells the study how it does, and is ended when the study has seen enough."""

from __future__ import annotations

import optuna

from voxloop.tasks import Objective
from voxloop.training.progress import Progress
from voxloop.training.watching import Silent


class TrialWatcher(Silent):
    """Reports the objective on dev after each epoch, and asks the pruner.

    It lives in the process that claimed the trial, also when several ranks train: one decision reaches them all.

    Args:
        trial: Optuna's.
        objective: The measure.
    """

    def __init__(self, trial: optuna.Trial, objective: Objective) -> None:
        self._trial = trial
        self._objective = objective
        self.progress = Progress()

    def resumed(self, progress: Progress) -> None:
        """Report the epochs that an earlier attempt has done."""
        self._report(progress)

    def finish_epoch(self, progress: Progress, *, better: bool) -> None:  # noqa: ARG002 - a watcher's signature
        """Report the epoch."""
        self._report(progress)

    def wants_to_end(self, progress: Progress) -> bool:  # noqa: ARG002 - a watcher's signature
        """Ask the pruner."""
        return self._trial.should_prune()

    @property
    def value(self) -> float | None:
        """The objective at its best so far: what `train` would keep."""
        return self.progress.best_value(self._objective.name)

    def _report(self, progress: Progress) -> None:
        for epoch in progress.history[len(self.progress.history) :]:
            if (value := epoch.dev[self._objective.name]) is not None:
                self._trial.report(value, step=epoch.epoch)
        self.progress = progress
