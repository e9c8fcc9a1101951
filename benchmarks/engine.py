"""The engine against bare loops: what a step costs beyond forward, backward and AdamW, and `small`'s speed.

All train the same network from the same weights on the same batches in one process, steps in turn, on one thread of
one core; the engine's thread for batches has the others. Every loss must be equal, bit by bit. The engine has all it
has in use: batches handed over by a thread, the progress bar, a look for SIGTERM and a spot machine's notice, the
checkpoint's clock, seeds, deterministic algorithms, losses that are read and looked at. The running mean of weights is
off, as in the configurations of `emotion`; saving a checkpoint and dev are no part of a step.

1. A network whose step takes about 10 ms, batches in memory for all: 2 % of it may be ours, beyond the loop by
   Lightning Fabric alone, which the engine is built on. In processor time, the thread that makes batches included.
2. `emotion` with the configuration `small` on noise of 3 to 8 s: the engine varies and joins 16-bit samples in its
   thread for batches; the bare loop has them joined in memory. Seconds of audio a second of the clock, at least 0.95
   of the bare loop's; so nothing else may run on the machine.
"""

from __future__ import annotations

import contextlib
import io
import os
import statistics
import sys
import tempfile
import threading
import time
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.bare_loop import Epochs, Paired, run_together
from benchmarks.report import Finding
from voxloop.config import find_config, load_config
from voxloop.speech.waveform import SAMPLE_RATE
from voxloop.tasks import Example, Objective, Request, Task, TensorSpec, emotion
from voxloop.tasks.recipe import BatchingConfig, OptimiserConfig, Recipe
from voxloop.training.checkpoints import CheckpointStore
from voxloop.training.devices import open_fabric, reproducible
from voxloop.training.engine import Engine
from voxloop.training.examples import Batch, Examples, gather_examples
from voxloop.training.interruption import Interruption
from voxloop.training.material import Material

STEP_SECONDS = 0.010
LAYERS, WIDTH = 4, 128
STEPS, ROUNDS = 80, 16
UTTERANCES, SMALL_ROUNDS = 100, 9
MOST_OF_A_STEP, LEAST_THROUGHPUT = 1.02, 0.95


class Terminal(io.StringIO):
    """A terminal that nobody looks at: the bar is drawn."""

    def isatty(self) -> bool:
        """Say that it is one."""
        return True


@dataclass(frozen=True)
class Elsewhere(Material):
    """Material whose batches are made on the cores that the training does not have."""

    cores: frozenset[int] = frozenset()

    def make_batch(self, indices: Any, epoch: int) -> Batch:
        """Return what any material would."""
        self._move()
        return super().make_batch(indices, epoch)

    def _move(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            os.sched_setaffinity(0, self.cores)  # of this thread alone


@dataclass(frozen=True)
class InMemory(Elsewhere):
    """Material whose batches are joined already: example i stands for batch i."""

    batches: tuple[Batch, ...] = ()

    def make_batch(self, indices: Any, epoch: int) -> Batch:  # noqa: ARG002 - as a material does
        """Return it."""
        self._move()
        return self.batches[int(indices[0])]


def measure() -> list[Finding]:
    """Return both comparisons."""
    cores = os.sched_getaffinity(0)
    others = frozenset(cores - {min(cores)} or cores)
    os.sched_setaffinity(0, {min(cores)})
    torch.set_num_threads(1)
    step = train_all(make_layers(others), wall=False)
    ratios = tell("a step", step)
    fabric = step.seconds("fabric") / STEPS * 1e3
    small = make_small(others)
    audio = float(small.train.seconds.sum())
    epochs = train_all(small, wall=True)
    speed = audio / epochs.seconds("torch")
    share = 1 / tell("emotion small", epochs)["torch"]
    return [
        Finding("engine: ms of a step of 10 ms", ratios["fabric"] * fabric, fabric, MOST_OF_A_STEP, "at most"),
        Finding("engine: s of audio a second", share * speed, speed, LEAST_THROUGHPUT, "at least"),
    ]


def tell(what: str, epochs: Epochs) -> dict[str, float]:
    """Say the quartiles of the ratios on the standard error, and return their medians."""
    found = {}
    for name in epochs.loops:
        low, found[name], high = statistics.quantiles(epochs.ratios(name), n=4)
        ratio = f"{found[name]:.4f} (quartiles {low:.4f} to {high:.4f})"
        over = f"{len(epochs.engine) - 1} epochs of {epochs.seconds(name):.3f} s"
        print(f"{what}: engine / {name} loop {ratio}, {over}; losses equal", file=sys.stderr)
    return found


def train_all(material: Material, *, wall: bool) -> Epochs:
    """Train by the engine as a job does, and by the loops in turns; count seconds of the clock or of the processor."""
    watcher = Paired(material.recipe.epochs, material.task.OBJECTIVE, wall=wall)
    with tempfile.TemporaryDirectory() as name, reproducible(material.recipe):
        folder = Path(name)
        with Interruption(folder / "notice").listening() as interruption:
            engine = Engine(
                open_fabric(material.recipe),
                material,
                store=CheckpointStore(folder / "checkpoints", keep=1),
                interruption=interruption,
                watcher=watcher,
            )
            with contextlib.redirect_stderr(Terminal()), contextlib.redirect_stdout(io.StringIO()):
                return run_together(engine, watcher)


def make_layers(cores: frozenset[int]) -> Material:
    """Return linear layers with as many rows a batch as take 10 ms, and batches that are handed over on `cores`."""
    rows = 64
    for _ in range(4):
        rows = max(8, round(rows * STEP_SECONDS / _time_step(rows)))
    task = layers_task(rows)
    recipe = Recipe(
        epochs=ROUNDS,
        patience=ROUNDS,
        optimiser=OptimiserConfig(learning_rate=1e-3),
        batching=BatchingConfig(audio_seconds=1.0),
    )
    draw = np.random.default_rng(0)
    batches = tuple(_make_rows(rows, draw) for _ in range(STEPS))
    examples = tuple(Example({}, {}, weight=float(rows), seconds=1.0) for _ in range(STEPS))
    train = Examples(examples, ({},) * STEPS, ("nobody",) * STEPS, tuple(f"batch-{number}" for number in range(STEPS)))
    joined = _make_rows(1, draw)
    dev = Example({"rows": joined.inputs["rows"][0].numpy()}, {"target": np.zeros(WIDTH, np.float32)}, 1.0, 1.0)
    return InMemory(task, recipe, None, train, Examples((dev,), ({},), ("nobody",), ("dev",)), cores, batches)


def layers_task(rows: int) -> Task:
    """Return the family of a few linear layers, as far as training asks for it."""

    def losses(outputs: Tensor, targets: Mapping[str, Tensor], _config: Any) -> Tensor:
        return (outputs - targets["target"]).square().mean(dim=1)

    spec = TensorSpec("rows", "float32", ("batch", WIDTH))
    members = {
        "NAME": f"layers of {rows} rows",
        "OBJECTIVE": Objective("nothing", "max"),
        "request": lambda _: Request((spec,), (spec,)),
        "build_network": lambda *_: make_network(),
        "rate_scale": lambda *_: 1.0,
        "losses": losses,
        "answer": lambda outputs: (outputs,),
        "decode": lambda outputs, _: [{} for _ in outputs["rows"]],
        "measure": lambda *_: {"nothing": 0.0},
    }
    return cast("Task", types.SimpleNamespace(**members))


def make_network() -> nn.Module:
    """Return the layers: 66,000 parameters in 8 tensors, so that time goes into arithmetic."""
    return nn.Sequential(*(nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU()) for _ in range(LAYERS)))


def _make_rows(rows: int, draw: np.random.Generator) -> Batch:
    values = torch.from_numpy(draw.standard_normal((2, rows, WIDTH)).astype(np.float32))
    return Batch({"rows": values[0]}, {"target": values[1]}, torch.ones(rows))


def _time_step(rows: int) -> float:
    network, batch = make_network(), _make_rows(rows, np.random.default_rng(1))
    optimiser = torch.optim.AdamW(network.parameters())
    taken = []
    for _ in range(30):
        started = time.process_time()
        (network(batch.inputs["rows"]) - batch.targets["target"]).square().mean().backward()
        optimiser.step()
        optimiser.zero_grad()
        taken.append(time.process_time() - started)
    return min(taken)


def make_small(cores: frozenset[int]) -> Material:
    """Return `emotion` with the configuration `small`, to learn from noise; batches are made on `cores`."""
    limits = (f"epochs={SMALL_ROUNDS}", f"patience={SMALL_ROUNDS}")
    recipe = load_config(emotion.EmotionConfig, find_config("tasks", "emotion", "small"), limits)
    task = cast("Task", emotion)
    draw = np.random.default_rng(0)
    rows = [make_row(number) for number in range(UTTERANCES)]
    encoding = emotion.learn_encoding(rows, recipe)
    sounds = [0.1 * draw.standard_normal(int(draw.uniform(3.0, 8.0) * SAMPLE_RATE)) for _ in rows]
    made = [(row, sound.astype(np.float32)) for row, sound in zip(rows, sounds, strict=True)]
    train, dev = (gather_examples(part, "noise", task, encoding, recipe) for part in (made, made[:6]))
    return Elsewhere(task, recipe, encoding, train, dev, cores)


def make_row(number: int) -> dict[str, Any]:
    """Return a labelled row."""
    label = emotion.LABELS[number % len(emotion.LABELS)]
    return {"utterance_id": f"u{number}", "speaker_id": "s", "sample_rate": SAMPLE_RATE, "emotion": label}


if __name__ == "__main__":
    for finding in measure():
        print(finding.as_json())
