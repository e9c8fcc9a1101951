"""A training by torch alone, and one by Lightning Fabric alone, beside the engine's: what its speed is held against."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, cast

import torch
from torch import Tensor

from voxloop.tasks import Objective
from voxloop.training.engine import Engine
from voxloop.training.examples import Batch
from voxloop.training.losses import Step
from voxloop.training.optimisation import build_optimiser
from voxloop.training.progress import Progress
from voxloop.training.schedule import rate_share
from voxloop.training.seeding import seeds_of_steps
from voxloop.training.watching import ProgressLines


class BareLoop:
    """Forward, loss, backward, clip and AdamW over batches in memory, from the weights an engine starts with.

    Its rates and seeds lie in memory too, so that it can be held against the engine loss by loss; torch is not kept to
    deterministic algorithms, which the engine is.

    Args:
        engine: Not yet run.
    """

    def __init__(self, engine: Engine) -> None:
        task, recipe = engine.task, engine.recipe
        self.engine = engine
        self.network = task.build_network(recipe, engine.material.encoding)
        self.network.load_state_dict(engine.bare.state_dict())
        self.optimiser = build_optimiser(self.network, task, recipe)
        # In the optimiser's order, as Fabric clips: the norm's last bit depends on it.
        self.parameters = [parameter for group in self.optimiser.param_groups for parameter in group["params"]]
        rate = recipe.optimiser.learning_rate
        self.rates = [rate * rate_share(step, engine.steps, recipe.optimiser) for step in range(2 * engine.steps)]
        self.seeds = seeds_of_steps(recipe.seed, 0, 2 * engine.steps, rank=0)
        self.losses: list[float] = []
        self.waiting: list[tuple[Batch, float]] = []

    def begin(self, epoch: int) -> None:
        """Put the batches of an epoch of the engine's plan into memory."""
        material, plan = self.engine.material, self.engine.plan(epoch).batches
        self.waiting = [
            (material.make_batch(indices, epoch), float(self.engine.weights[indices].sum())) for indices in plan
        ]
        self.network.train()

    def train(self, clock: Callable[[], float]) -> float:
        """Train one step and return the seconds it took by a clock."""
        batch, weight = self.waiting.pop(0)
        torch.use_deterministic_algorithms(False)
        try:
            started = clock()
            self._step(batch, weight)
            return clock() - started
        finally:
            torch.use_deterministic_algorithms(True)

    def _step(self, batch: Batch, weight: float) -> None:
        step, task, recipe = len(self.losses), self.engine.task, self.engine.recipe
        torch.default_generator.manual_seed(self.seeds[step])
        for group in self.optimiser.param_groups:
            group["lr"] = self.rates[step]
        outputs = self.network(*[batch.inputs[name] for name in self.engine.inputs])
        loss = (task.losses(outputs, batch.targets, recipe) * batch.weights).sum()
        self._backward(loss * (1.0 / weight), recipe.optimiser.gradient_clip)
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.losses.append(float(loss))

    def _backward(self, loss: Tensor, longest: float) -> None:
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.parameters, longest)


class FabricLoop(BareLoop):
    """The same by Lightning Fabric, which the engine is built on: what the engine takes beyond it is our own."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        fabric = engine.fabric
        self.network = fabric.setup_module(self.network)
        self.optimiser = cast("Any", fabric.setup_optimizers(self.optimiser))

    def _backward(self, loss: Tensor, longest: float) -> None:
        fabric = self.engine.fabric
        fabric.backward(loss)
        fabric.clip_gradients(
            cast("Any", self.network), cast("Any", self.optimiser), max_norm=longest, error_if_nonfinite=False
        )


@dataclass
class Epochs:
    """What each epoch took, by each, in seconds; the first is left out, for what happens once.

    Args:
        engine: By the engine.
        loops: By the loops beside it.
    """

    engine: list[float] = field(default_factory=list)
    loops: dict[str, list[float]] = field(default_factory=dict)

    def seconds(self, loop: str) -> float:
        """Return the median of an epoch's by a loop."""
        return median(self.loops[loop][1:])

    def ratios(self, loop: str) -> list[float]:
        """Return the engine's time over a loop's, epoch by epoch."""
        return [ours / theirs for ours, theirs in zip(self.engine[1:], self.loops[loop][1:], strict=True)]


class Paired(ProgressLines):
    """The watcher people have, which has the loops do each step after the engine has.

    Args:
        epochs: Epochs at most.
        objective: The measure shown.
        wall: Count the clock's seconds. Else those of the processor: what is not the loops' is the engine's then, for
            the thread that makes batches may be at it at any time.
    """

    def __init__(self, epochs: int, objective: Objective, *, wall: bool) -> None:
        super().__init__(epochs, objective)
        self.loops: dict[str, BareLoop] = {}
        self.took = Epochs()
        self.losses: list[float] = []
        self._began = 0.0
        self._clock, self._clock_of_loops = (
            (time.monotonic, time.monotonic) if wall else (time.process_time, time.thread_time)
        )

    def start_epoch(self, progress: Progress, steps: int) -> None:
        """Begin to count."""
        self.took.engine.append(0.0)
        for name, loop in self.loops.items():
            loop.begin(progress.epoch)
            self.took.loops.setdefault(name, []).append(0.0)
        self._began = self._clock()
        super().start_epoch(progress, steps)

    def step(self, progress: Progress, audio_seconds: float, waited: float) -> None:
        """Count what the engine took, and let the loops follow, the first of them another each time."""
        super().step(progress, audio_seconds, waited)
        self.took.engine[-1] += self._clock() - self._began
        others = self._clock() - self._clock_of_loops()
        names = list(self.loops)
        first = progress.step % len(names)
        for name in names[first:] + names[:first]:
            self.took.loops[name][-1] += self.loops[name].train(self._clock_of_loops)
        self.took.engine[-1] += self._clock() - self._clock_of_loops() - others
        self._began = self._clock()

    def settle(self, progress: Progress, steps: Sequence[Step]) -> None:
        """Write the losses down."""
        super().settle(progress, steps)
        self.losses += [step.loss_total for step in steps]


def run_together(engine: Engine, watcher: Paired) -> Epochs:
    """Run the engine to its end, the loops step by step beside it, and return what each epoch took.

    Raises:
        AssertionError: A step's loss was another.
    """
    watcher.loops = {"torch": BareLoop(engine), "fabric": FabricLoop(engine)}
    engine.run()
    for name, loop in watcher.loops.items():
        assert len(watcher.losses) == len(loop.losses) >= engine.steps // 2
        assert watcher.losses == loop.losses, f"the {name} loop has other losses: it does not do the same"
    return watcher.took
