"""The training loop: steps over an epoch's plan, the dev split after each epoch, checkpoints between steps.

What a step does is a function of the weights, the plan and the number of the step: torch's generator is seeded anew
before each. So a training that goes on from a checkpoint, in the middle of an epoch, does what it would have done.

Everything that ranks do together in a step comes before the weights move. So when a rank is lost, the others stand at a
whole step, and under DDP the first one can save it alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor

from voxloop.errors import InputError, VoxloopError
from voxloop.training.averaging import WeightAverage
from voxloop.training.batching import EpochPlan, Indices, plan_epoch
from voxloop.training.checkpoints import CheckpointStore
from voxloop.training.devices import gather_json, is_lost_rank
from voxloop.training.endings import LostRankError, PrunedTrainingError, lost_rank, stopped_training
from voxloop.training.examples import Batch
from voxloop.training.interruption import Interruption
from voxloop.training.loading import Ahead
from voxloop.training.losses import Settled, UnreadLosses, describe_nonfinite
from voxloop.training.material import Material
from voxloop.training.optimisation import build_optimiser, freeze, set_rate
from voxloop.training.place import Place, PlaceKeeper, load_fitting, scaler_of
from voxloop.training.profiling import profiled_steps
from voxloop.training.progress import Progress
from voxloop.training.scoring import score_dev
from voxloop.training.seeding import seed_torch, seeds_of_steps
from voxloop.training.state import gather_weights
from voxloop.training.step_statistics import StepStatistics
from voxloop.training.watching import Watcher

__all__ = ["Engine", "LostRankError", "Material", "PrunedTrainingError", "load_fitting"]

SETTLE_STEPS_ON_GPU = 20
"""Reading a loss waits for the GPU; a loss that is no number is noticed after so many steps at most."""


class Engine:
    """One training on one rank.

    Args:
        fabric: From `open_fabric`, launched.
        material: What to train on.
        store: Where checkpoints go; None keeps none.
        interruption: Asked between steps whether to stop.
        watcher: Told what happens, on rank 0.
        pretrained: Weights of a part of the fresh network, from elsewhere.
        start: Weights that replace those of the fresh network where name and shape are the same.
        profile: Folder for a profile of a few steps, written by rank 0; None makes none.

    Raises:
        InputError: There is too little data for a step of these ranks, or `start` fits nothing.
    """

    def __init__(
        self,
        fabric: Fabric,
        material: Material,
        *,
        store: CheckpointStore | None,
        interruption: Interruption,
        watcher: Watcher,
        pretrained: Mapping[str, Tensor] | None = None,
        start: Mapping[str, Tensor] | None = None,
        profile: Path | None = None,
    ) -> None:
        self.fabric, self.material, self.store = fabric, material, store
        self.interruption, self.watcher, self.profile = interruption, watcher, profile
        self.task, self.recipe = material.task, material.recipe
        self.seconds, self.weights = material.train.seconds, material.train.weights
        self.batches_a_step = max(fabric.world_size, self.recipe.batching.batches_a_step)
        self.steps = self.recipe.epochs * len(self.plan(0))
        torch.manual_seed(self.recipe.seed)
        self.bare = self.task.build_network(self.recipe, material.encoding)
        load_fitting(self.bare, pretrained or {})
        load_fitting(self.bare, start or {})
        freeze(self.bare, self.task, self.recipe)
        self.inputs = [spec.name for spec in self.task.request(material.encoding).inputs]
        runnable = torch.compile(self.bare, dynamic=True) if self.recipe.devices.compile else self.bare
        self.network = fabric.setup_module(runnable)  # type: ignore[arg-type]
        scaled = scaler_of(fabric) is not None
        self.optimiser = _setup_optimiser(fabric, build_optimiser(self.bare, self.task, self.recipe, scaled=scaled))
        self.average = WeightAverage(self.bare, self.recipe.optimiser.average_decay)
        self.statistics = StepStatistics(fabric, self.bare)
        self.keeper = PlaceKeeper(fabric, self.bare, self.optimiser.optimizer, self.average)
        self.progress = Progress()
        self.best: dict[str, Tensor] = {}
        self._losses = UnreadLosses(fabric)
        self._saved = time.monotonic()

    def plan(self, epoch: int) -> EpochPlan:
        """Return the steps of one epoch, counted from 0, on all ranks."""
        return plan_epoch(
            self.seconds,
            self.recipe.batching,
            seed=self.recipe.seed,
            epoch=epoch,
            batches_a_step=self.batches_a_step,
        )

    def run(self) -> None:
        """Train to the end, from the newest checkpoint if there is one.

        Raises:
            TrainingInterruptedError: It was told to stop, or lost a rank, and stopped at a checkpoint.
            PrunedTrainingError: Its watcher wanted no more epochs.
            VoxloopError: The loss became something other than a number.
        """
        self._restore()
        try:
            with profiled_steps(self.profile if self.fabric.is_global_zero else None) as profile:
                while not self._is_done():
                    self._train_epoch(self.plan(self.progress.epoch), profile)
                    self._finish_epoch()
        except RuntimeError as broken:
            if not is_lost_rank(broken, self.fabric):
                raise
            raise self._save_alone(broken) from broken

    def _is_done(self) -> bool:
        progress = self.progress
        return progress.epoch >= self.recipe.epochs or progress.epochs_since_best >= self.recipe.patience

    def _train_epoch(self, plan: EpochPlan, profile: Callable[[], None]) -> None:
        self.network.train()
        epoch, first = self.progress.epoch, self.progress.epoch_step
        self.watcher.start_epoch(self.progress, len(plan))
        rank, ranks = self.fabric.global_rank, self.fabric.world_size
        ahead = Ahead(self.material.batch_makers(plan, epoch=epoch, first=first, rank=rank, ranks=ranks))
        seeds = seeds_of_steps(self.recipe.seed, self.progress.step, len(plan) - first, rank)
        weights, seconds = plan.sums(self.weights), plan.sums(self.seconds)
        # Closed here: the traceback of a stop would keep the batches, and the thread that makes them.
        with closing(iter(ahead)) as batches:
            for number, seed in zip(range(first, len(plan)), seeds, strict=True):
                settled = self._step(batches, plan[number], weights[number], seed=seed, last=number + 1 == len(plan))
                profile()
                self.watcher.step(self.progress, seconds[number], ahead.waited)
                self._obey(settled)

    def _obey(self, settled: Settled) -> None:
        if settled.stop or settled.save:
            self._save()
        if settled.stop:
            raise stopped_training(self.interruption.reason, self.progress, self.store)

    def _step(
        self, batches: Iterator[Batch], batches_of_step: tuple[Indices, ...], weight: float, *, seed: int, last: bool
    ) -> Settled:
        """Move the weights once, by the weighted mean loss over the batches of the step."""
        seed_torch(seed, self.fabric.device)
        set_rate(self.optimiser, self.progress.step, self.steps, self.recipe.optimiser)
        total = self._accumulate(batches, len(batches_of_step) // self.fabric.world_size, weight)
        norm = self.fabric.clip_gradients(
            self.network, self.optimiser, max_norm=self.recipe.optimiser.gradient_clip, error_if_nonfinite=False
        )
        assert norm is not None  # noqa: S101 - a norm was asked for
        self.statistics.gather(len(batches_of_step))
        self._losses.add(self.progress.step + 1, batches_of_step, weight, total, norm)
        settled = self._settle() if last or len(self._losses) >= self._settle_every else Settled()
        self.optimiser.step()
        self.statistics.move()
        self.optimiser.zero_grad()
        self.average.update(self.progress.step + 1)
        self.progress = self.progress.after_step(settled.total, weight)
        return settled

    def _accumulate(self, batches: Iterator[Batch], count: int, weight: float) -> Tensor:
        """Sum the gradients of `count` batches of this rank and those of the others; return this rank's loss."""
        total = torch.zeros((), device=self.fabric.device)
        for place in range(count):
            batch = next(batches)
            if self.fabric.device.type != "cpu":
                batch = self.fabric.to_device(batch)
            with self._syncing(last=place == count - 1):
                outputs = self.network(*[batch.inputs[name] for name in self.inputs])
                part = (self.task.losses(outputs, batch.targets, self.recipe) * batch.weights).sum()
                # Ranks' gradients are averaged, so each rank's share counts times their number.
                self.fabric.backward(part * (self.fabric.world_size / weight))
            total += part.detach()
        return total

    def _syncing(self, *, last: bool) -> Any:
        if last or self.fabric.world_size == 1:
            return nullcontext()
        return self.fabric.no_backward_sync(self.network)

    @property
    def _settle_every(self) -> int:
        return SETTLE_STEPS_ON_GPU if self.fabric.device.type == "cuda" else 1

    def _settle(self) -> Settled:
        """Read the losses of the last steps, and agree with the other ranks whether to stop or save after this one."""
        due = self.recipe.checkpoints.every_seconds <= time.monotonic() - self._saved
        settled = self._losses.read(stop=self.interruption.reason is not None, save=due)
        scaled = scaler_of(self.fabric) is not None
        self._refuse_nonfinite(describe_nonfinite(settled.steps, self.material.train.ids, scaled=scaled))
        self.watcher.settle(self.progress, settled.steps)
        return settled

    def _refuse_nonfinite(self, found: str | None) -> None:
        if found is not None:
            kept = f"; the last checkpoint in {self.store.root} is of before" if self.store else ""
            raise VoxloopError(
                f"epoch {self.progress.epoch + 1}: {found}",
                rule="training stops at a loss that is not a number" + kept,
                remedy=f"lower optimiser.learning_rate ({self.recipe.optimiser.learning_rate:g}) or look at the data",
            )

    def _finish_epoch(self) -> None:
        with self.average.in_place():
            dev_loss, answers = score_dev(self.fabric, self.network, self.material)
            self._refuse_nonfinite(None if math.isfinite(dev_loss) else f"the loss is {dev_loss} on dev")
            measures = self.task.measure(self.material.dev.references, answers, self.material.encoding)
            progress = self.progress.after_epoch(dev_loss, measures, self.task.OBJECTIVE)
            if better := progress.best_epoch == progress.epoch:
                self.best = gather_weights(self.bare)
            self.progress = progress
        self.watcher.finish_epoch(self.progress, better=better)
        self._save()
        # Rank 0 alone has a watcher with an opinion; all must hear it.
        if not self._is_done() and any(gather_json(self.fabric, self.watcher.wants_to_end(self.progress))):
            raise PrunedTrainingError(self.progress.epoch)

    def _save(self) -> None:
        if self.store is not None:
            self.keeper.save(self.store, self._place())
            self.fabric.barrier()
            self._saved = time.monotonic()

    def _save_alone(self, lost: RuntimeError) -> LostRankError:
        """Save the last whole step without the other ranks, where this one has all of it."""
        if self.store is not None and self.fabric.is_global_zero and self.recipe.devices.strategy == "ddp":
            self.keeper.save(self.store, self._place())
        reason = str(lost).splitlines()[0]
        return lost_rank(reason, None if self.store is None else self.store.root)

    def _place(self) -> Place:
        return Place(self.progress, self.best, self.batches_a_step)

    def _restore(self) -> None:
        found = None if self.store is None else self.keeper.restore(self.store)
        if found is None:
            return
        self.progress, self.best, batches_a_step = found
        if batches_a_step % self.fabric.world_size:
            raise InputError(
                f"the checkpoint was made with steps of {batches_a_step} batches",
                rule=f"the ranks ({self.fabric.world_size}) share a step evenly",
                remedy="use a number of devices that divides it",
            )
        self.batches_a_step = batches_a_step
        self.steps = self.recipe.epochs * len(self.plan(0))
        self.watcher.resumed(self.progress)


def _setup_optimiser(fabric: Fabric, optimiser: torch.optim.Optimizer) -> Any:
    """Return what Fabric wraps round one optimiser; it is typed as if it could be several."""
    return fabric.setup_optimizers(optimiser)
