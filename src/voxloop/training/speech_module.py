"""The training loop's view of a task: steps, optimiser, and what is measured after each epoch."""

from __future__ import annotations

import math
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from voxloop.errors import VoxloopError
from voxloop.tasks import Task
from voxloop.tasks.recipe import OptimiserConfig, Recipe
from voxloop.training.batching import Batch


class SpeechModule(lightning.LightningModule):
    """A task's network under training.

    Args:
        task: The family.
        recipe: Its configuration.
        label_counts: Utterances of each label in training, int64 [labels].
        steps: Optimiser steps of the whole training; the learning rate ends at 0 with them.
    """

    weights: Tensor

    def __init__(self, task: Task, recipe: Recipe, label_counts: Tensor, steps: int) -> None:
        super().__init__()
        self.task = task
        self.recipe = recipe
        self.steps = steps
        self.network = task.build_network(recipe)
        self.register_buffer("weights", task.label_weights(label_counts))
        self._reference: list[Tensor] = []
        self._predicted: list[Tensor] = []
        self._train = LossMean()
        self._dev = LossMean()

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return the loss of one batch, a scalar.

        Raises:
            VoxloopError: The loss is not a number.
        """
        loss = self.task.loss(self.network(batch.waveform, batch.num_samples), batch.labels, self.weights)
        self._train.add(self._finite(loss, f"epoch {self.current_epoch + 1}, batch {batch_index + 1}"), batch)
        return loss

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Keep the answers of one batch."""
        logits = self.network(batch.waveform, batch.num_samples)
        loss = self.task.loss(logits, batch.labels, torch.ones_like(self.weights))
        self._dev.add(self._finite(loss, f"epoch {self.current_epoch + 1}, dev batch {batch_index + 1}"), batch)
        self._reference.append(batch.labels)
        self._predicted.append(logits.argmax(dim=1))

    def on_validation_epoch_end(self) -> None:
        """Log `train_loss`, `dev_loss` (both a mean over utterances) and `dev_uar`."""
        labels = self.task.LABELS
        reference = [labels[number] for number in torch.cat(self._reference).tolist()]
        predicted = [labels[number] for number in torch.cat(self._predicted).tolist()]
        self._reference, self._predicted = [], []
        self.log("train_loss", self._train.take())
        self.log("dev_loss", self._dev.take())
        self.log("dev_uar", self.task.uar(reference, predicted, labels))

    def configure_optimizers(self) -> Any:
        """Return AdamW (Loshchilov and Hutter, ICLR 2019) and its rate for every step."""
        config = self.recipe.optimiser
        optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        schedule = LambdaLR(optimiser, lambda step: rate_share(step, self.steps, config))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _finite(self, loss: Tensor, where: str) -> float:
        value = float(loss.detach())
        if not math.isfinite(value):
            raise VoxloopError(
                f"the loss is {value} in {where}",
                rule="training stops at a loss that is not a number",
                remedy=f"lower optimiser.learning_rate ({self.recipe.optimiser.learning_rate:g}) or look at the data",
            )
        return value


class LossMean:
    """The mean loss over utterances, gathered batch by batch."""

    def __init__(self) -> None:
        self._total, self._utterances = 0.0, 0

    def add(self, loss: float, batch: Batch) -> None:
        """Count in the mean loss of one batch."""
        self._total += loss * len(batch.labels)
        self._utterances += len(batch.labels)

    def take(self) -> float:
        """Return the mean and start anew."""
        mean = self._total / max(1, self._utterances)
        self._total, self._utterances = 0.0, 0
        return mean


def rate_share(step: int, steps: int, config: OptimiserConfig) -> float:
    """Share of the learning rate at one step: up in a line, then down along a cosine to 0."""
    warmup = max(1, round(steps * config.warmup_share))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))
