"""How far a training is: everything beside tensors that going on from a checkpoint needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from voxloop.config import StrictModel
from voxloop.tasks import Objective


class Epoch(StrictModel):
    """One epoch, counted from 1. Losses are weighted means. No times: the same training gives the same bytes."""

    epoch: int
    train_loss: float
    dev_loss: float
    dev: dict[str, float | None]
    """The family's measures on dev; None for what cannot be measured."""


class Progress(StrictModel):
    """A place between two steps of a training.

    Args:
        step: Steps done in all.
        epoch: Epochs done.
        epoch_step: Steps done of the epoch under way.
        train_total: Sum of weighted losses of that epoch so far, and `train_weight` of their weights.
        history: The epochs done.
        best_epoch: The epoch with the best objective, the earliest of equals; None before there is one.
    """

    step: int = Field(default=0, ge=0)
    epoch: int = Field(default=0, ge=0)
    epoch_step: int = Field(default=0, ge=0)
    train_total: float = 0.0
    train_weight: float = 0.0
    history: tuple[Epoch, ...] = ()
    best_epoch: int | None = None

    def after_step(self, loss_total: float, weight: float) -> Progress:
        """Return the place one step on."""
        return self.model_copy(
            update={
                "step": self.step + 1,
                "epoch_step": self.epoch_step + 1,
                "train_total": self.train_total + loss_total,
                "train_weight": self.train_weight + weight,
            }
        )

    def after_epoch(self, dev_loss: float, dev: Mapping[str, float], objective: Objective) -> Progress:
        """Return the place at the start of the next epoch."""
        measures: dict[str, Any] = {name: value if value == value else None for name, value in dev.items()}  # noqa: PLR0124 - NaN
        done = Epoch(
            epoch=self.epoch + 1,
            train_loss=self.train_total / self.train_weight if self.train_weight else 0.0,
            dev_loss=dev_loss,
            dev=measures,
        )
        value, best = measures[objective.name], self.best_value(objective.name)
        better = value is not None and (best is None or objective.is_better(value, best))
        return Progress(
            step=self.step,
            epoch=self.epoch + 1,
            history=(*self.history, done),
            best_epoch=done.epoch if better else self.best_epoch,
        )

    def best_value(self, measure: str) -> float | None:
        """Return the best epoch's value of the objective, None before there is one."""
        return None if self.best_epoch is None else self.history[self.best_epoch - 1].dev[measure]

    @property
    def epochs_since_best(self) -> int:
        """Epochs done since the best one."""
        return self.epoch - (self.best_epoch or 0)
