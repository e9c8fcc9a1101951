"""What happened in each epoch: printed, kept as history, and the best weights with it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import lightning
from lightning import LightningModule, Trainer
from torch import Tensor

from voxloop.errors import VoxloopError


@dataclass(frozen=True)
class Epoch:
    """One epoch, counted from 1. Losses are means over utterances. No times: the same training gives the same bytes."""

    epoch: int
    train_loss: float
    dev_loss: float
    dev_uar: float


class EpochBook(lightning.Callback):
    """Keeps the history and, in memory, the weights of the epoch with the best dev UAR (the earliest of equals).

    Args:
        audio_seconds: Audio in one epoch of training, for the throughput.
        epochs: Epochs at most, for the printed line.
    """

    def __init__(self, audio_seconds: float, epochs: int) -> None:
        self.audio_seconds = audio_seconds
        self.epochs = epochs
        self.history: list[Epoch] = []
        self._best: tuple[Epoch, dict[str, Tensor]] | None = None
        self._started = self._trained = 0.0

    @property
    def best(self) -> tuple[Epoch, dict[str, Tensor]]:
        """The best epoch and the network's weights after it, on the CPU."""
        if self._best is None:
            raise VoxloopError("training ended before its first epoch did", remedy="set epochs to 1 or more")
        return self._best

    def on_train_epoch_start(self, *_: object) -> None:
        """Start the epoch's clock."""
        self._started = time.monotonic()

    def on_validation_start(self, *_: object) -> None:
        """Stop the clock of the training part."""
        self._trained = time.monotonic() - self._started

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the epoch down."""
        measured = {name: float(value) for name, value in trainer.callback_metrics.items()}
        epoch = Epoch(
            epoch=trainer.current_epoch + 1,
            train_loss=measured["train_loss"],
            dev_loss=measured["dev_loss"],
            dev_uar=measured["dev_uar"],
        )
        self.history.append(epoch)
        better = self._best is None or epoch.dev_uar > self._best[0].dev_uar
        if better:
            self._best = (epoch, _copy_weights(pl_module))
        self._print(epoch, better=better)

    def _print(self, epoch: Epoch, *, better: bool) -> None:
        print(
            f"epoch {epoch.epoch:>3}/{self.epochs}  train loss {epoch.train_loss:.3f}  dev loss {epoch.dev_loss:.3f}  "
            f"dev UAR {epoch.dev_uar:.3f}{' *' if better else '  '}  {time.monotonic() - self._started:5.1f} s  "
            f"{self.audio_seconds / max(self._trained, 1e-9):,.0f} audio s/s",
            flush=True,
        )


def _copy_weights(module: LightningModule) -> dict[str, Tensor]:
    network = module.get_submodule("network")
    return {name: value.detach().cpu().clone().contiguous() for name, value in network.state_dict().items()}
