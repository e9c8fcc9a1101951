"""How a training can end before its last epoch."""

from __future__ import annotations

from pathlib import Path

from voxloop.errors import TrainingInterruptedError, VoxloopError
from voxloop.training.checkpoints import CheckpointStore
from voxloop.training.progress import Progress

AGAIN = "run the same command again: it goes on from there"


class LostRankError(TrainingInterruptedError):
    """A process of the training has gone, and the others cannot go on without it."""


class PrunedTrainingError(VoxloopError):
    """Whoever watches a training has seen enough of it.

    Args:
        epoch: Epochs done.
    """

    def __init__(self, epoch: int) -> None:
        super().__init__(f"training was ended after epoch {epoch} by its watcher")
        self.epoch = epoch

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the epoch when the error crosses a process boundary."""
        return (PrunedTrainingError, (self.epoch,))


def stopped_training(reason: str | None, progress: Progress, store: CheckpointStore | None) -> TrainingInterruptedError:
    """Return the error of a training that was told to stop, by `reason` or by another rank, after it has saved."""
    kept = "no checkpoint" if store is None else f"a checkpoint at step {progress.step}"
    by = reason or "another rank that was told to"
    return TrainingInterruptedError(
        f"training was stopped by {by} in epoch {progress.epoch + 1}, with {kept}",
        remedy=AGAIN,
    )


def lost_rank(reason: str, checkpoints: Path | None) -> LostRankError:
    """Return the error of a training that has lost a process; it names the checkpoint to go on from."""
    kept = newest_name(checkpoints)
    return LostRankError(
        f"training lost a process: {reason}",
        rule=f"all ranks or none; the newest checkpoint is {kept}"
        if kept
        else "all ranks or none; no checkpoint was made",
        remedy=AGAIN if kept else "run the same command again: it starts afresh",
    )


def newest_name(checkpoints: Path | None) -> str | None:
    """Return the name of the newest checkpoint in a folder, None where there is none."""
    return None if checkpoints is None else max((place.name for place in checkpoints.glob("step-*")), default=None)
