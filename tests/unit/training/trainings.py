"""Trainings in processes of their own, forked from a server that has imported everything once."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
from lightning.fabric import Fabric

from tests.conftest import free_ports
from tests.unit.training.tones import TINY
from voxloop.config import find_config, load_config
from voxloop.errors import VoxloopError
from voxloop.store.atomic import write_file
from voxloop.tasks import emotion, get_task
from voxloop.training.checkpoints import CheckpointStore
from voxloop.training.devices import open_fabric, reproducible
from voxloop.training.engine import Engine
from voxloop.training.fit import read_material
from voxloop.training.interruption import Interruption
from voxloop.training.losses import Step
from voxloop.training.progress import Progress
from voxloop.training.tensors import digest_tensors
from voxloop.training.watching import Silent

TASK = get_task("emotion")


def tiny(*overrides: str) -> emotion.EmotionConfig:
    return load_config(emotion.EmotionConfig, find_config("tasks", "emotion", "smoke"), (*TINY, *overrides))


@dataclass
class Trace(Silent):
    """Writes every step down, and may stop the training before one of them."""

    path: Path | None = None
    stop: Interruption | None = None
    stop_after: int = -1
    steps: list[list[Any]] = field(default_factory=list)

    def settle(self, progress: Progress, steps: Sequence[Step]) -> None:
        told = [[step.number, step.utterances(), step.loss, step.gradient_norm] for step in steps]
        self.steps += told
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as lines:
                lines.writelines(json.dumps(line) + "\n" for line in told)

    def step(self, progress: Progress, audio_seconds: float, waited: float) -> None:
        if self.stop is not None and progress.step == self.stop_after:
            self.stop._signal = 15


def build_engine(
    dataset: Path,
    recipe: emotion.EmotionConfig,
    watcher: Any,
    *,
    checkpoints: Path | None = None,
    fabric: Fabric | None = None,
    interruption: Interruption | None = None,
    **more: Any,
) -> Engine:
    fabric = fabric or open_fabric(recipe)
    return Engine(
        fabric,
        read_material(dataset, TASK, recipe),
        store=None if checkpoints is None else CheckpointStore(checkpoints, keep=recipe.checkpoints.keep),
        interruption=interruption or Interruption(),
        watcher=watcher if fabric.is_global_zero else Silent(),
        **more,
    )


def train_rank(
    environment: dict[str, str], dataset: Path, overrides: Sequence[str], out: Path, checkpoints: Path | None
) -> None:
    """Train as one process; rank 0 leaves `steps.jsonl` as it goes, and `done.json` or `error.json`."""
    os.environ.update(environment)
    recipe, interruption = tiny(*overrides), Interruption()
    out.mkdir(parents=True, exist_ok=True)
    with reproducible(recipe), interruption.listening():
        fabric = open_fabric(recipe)
        trace = Trace(out / "steps.jsonl")
        try:
            engine = build_engine(
                dataset, recipe, trace, checkpoints=checkpoints, fabric=fabric, interruption=interruption
            )
            engine.run()
        except VoxloopError as error:
            told = {"kind": type(error).__name__, "told": str(error), "exit_code": error.exit_code}
            write_file(out / f"error-{fabric.global_rank}.json", json.dumps(told))
            os._exit(error.exit_code)
        if fabric.is_global_zero:
            history = [epoch.model_dump(mode="json") for epoch in engine.progress.history]
            done = {"weights": digest_tensors(engine.best), "history": history}
            write_file(out / "done.json", json.dumps(done))
    os._exit(0)  # without the farewells of gloo's threads


class Ranks:
    """The ranks of one training.

    Args:
        server: From `fork_server`.
        count: How many; 1 is a training without a process group.
    """

    def __init__(
        self,
        server: ForkServerContext,
        count: int,
        dataset: Path,
        overrides: Sequence[str],
        out: Path,
        checkpoints: Path | None = None,
    ) -> None:
        self.out = out
        port = str(free_ports(1)[0])
        self.processes: list[ForkServerProcess] = []
        for rank in range(count):
            group = {
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "GROUP_RANK": "0",
                "MASTER_ADDR": "127.0.0.1",
                "WORLD_SIZE": str(count),
                "LOCAL_WORLD_SIZE": str(count),
                "MASTER_PORT": port,
                "TORCHELASTIC_RUN_ID": "test",
                "TORCHELASTIC_RESTART_COUNT": "0",
            }
            arguments = (group if count > 1 else {}, dataset, tuple(overrides), out, checkpoints)
            self.processes.append(server.Process(target=train_rank, args=arguments))
            self.processes[-1].start()

    def wait(self, seconds: float = 240.0) -> list[int | None]:
        """Return the exit codes."""
        for process in self.processes:
            process.join(seconds)
        return [process.exitcode for process in self.processes]

    def steps(self) -> list[list[Any]]:
        """Return number, utterances, loss and norm of each step so far."""
        path = self.out / "steps.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def done(self) -> dict[str, Any]:
        """Return what the finished training left."""
        found: dict[str, Any] = json.loads((self.out / "done.json").read_text())
        return found

    def errors(self) -> dict[int, dict[str, Any]]:
        """Return by rank what ended the training."""
        return {int(path.stem[6:]): json.loads(path.read_text()) for path in self.out.glob("error-*.json")}

    def end(self) -> None:
        """Kill what still runs."""
        for process in self.processes:
            process.kill()
            process.join()


def fork_server() -> ForkServerContext:
    """Return where processes come from: a clean one, without threads or a process group, that has imported all."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


@pytest.fixture(scope="session")
def server() -> ForkServerContext:
    return fork_server()
