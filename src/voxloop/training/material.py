"""What a training is made of, and the batches it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from voxloop.tasks import Task
from voxloop.tasks.recipe import Recipe
from voxloop.training.batching import EpochPlan, Indices
from voxloop.training.examples import Batch, Examples, collate


@dataclass(frozen=True)
class Material:
    """What a training is made of.

    Args:
        task: The family.
        recipe: Its configuration.
        encoding: What was learnt of the training rows.
        train: Examples to learn from.
        dev: Examples to choose the epoch by.
    """

    task: Task
    recipe: Recipe
    encoding: Any
    train: Examples
    dev: Examples

    def make_batch(self, indices: Indices, epoch: int) -> Batch:
        """Return the training examples `indices`, each varied by draws of its own for this epoch."""
        config, examples = self.recipe, self.train.examples
        varied = [
            self.task.perturb(examples[index], config, np.random.default_rng((config.seed, epoch, int(index))))
            for index in indices
        ]
        return collate(varied)

    def batch_makers(
        self, plan: EpochPlan, *, epoch: int, first: int, rank: int, ranks: int
    ) -> Iterator[Callable[[], Batch]]:
        """Give a maker for each batch of one rank, from step `first` of the epoch on."""
        for number in range(first, len(plan)):
            for indices in plan[number][rank::ranks]:
                yield partial(self.make_batch, indices, epoch)
