"""A training in this process, or in as many as its recipe asks for."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from voxloop.config import resolved
from voxloop.errors import TrainingInterruptedError, VoxloopError
from voxloop.settings import child_environment
from voxloop.tasks import Task
from voxloop.tasks.recipe import Recipe
from voxloop.training.endings import AGAIN, LostRankError, lost_rank, newest_name
from voxloop.training.fit import fit_task
from voxloop.training.forwarding import WatcherPort, watcher_port
from voxloop.training.interruption import Interruption
from voxloop.training.rank_files import Failure, RanksSpec, read_errors, read_failures, write_spec
from voxloop.training.watching import Watcher

AGENT = "voxloop.training.agent"
LOOK_SECONDS = 0.1
END_SECONDS = 60.0
"""After which an agent that was told to end is killed; its ranks notice that."""


def train_task(
    dataset: Path,
    folder: Path,
    *,
    task: Task,
    recipe: Recipe,
    features: Path | None = None,
    checkpoints: Path | None = None,
    start: Mapping[str, Tensor] | None = None,
    interruption: Interruption | None = None,
    watcher: Watcher | None = None,
) -> None:
    """Train as `fit_task` does: here for one device, else in one process for each of `recipe.devices`.

    With several machines this one is the first; it says what to start on the others, and dataset, features, folder and
    checkpoints must lie on a disk that all of them share.

    Raises:
        TrainingInterruptedError: As `fit_task`; also when one of the processes was lost.
        VoxloopError: As `fit_task`, and when a process ended with an error of its own.
    """
    ranks = recipe.devices.count * recipe.devices.nodes
    if ranks == 1 or torch.distributed.is_torchelastic_launched():
        fit_task(
            dataset,
            folder,
            task=task,
            recipe=recipe,
            features=features,
            checkpoints=checkpoints,
            start=start,
            interruption=interruption,
            watcher=watcher,
        )
        return
    with (interruption or Interruption()).listening() as listening, _ranks_folder(recipe, checkpoints) as place:
        spec = RanksSpec(
            dataset=dataset.absolute(),
            folder=folder.absolute(),
            task=task.NAME,
            recipe=resolved(recipe),
            features=features and features.absolute(),
            checkpoints=checkpoints and checkpoints.absolute(),
            start=_write_start(place, start),
        )
        _run_ranks(place, spec, recipe, listening, watcher)


def _run_ranks(
    place: Path, spec: RanksSpec, recipe: Recipe, interruption: Interruption, watcher: Watcher | None
) -> None:
    with tempfile.TemporaryDirectory(prefix="voxloop-") as short:  # a socket's path has 107 bytes at most
        socket = Path(short) / "watcher"
        if watcher is None:
            code = _follow(_start_agent(write_spec(place, spec), recipe), interruption, None)
        else:
            with watcher_port(socket, watcher) as port:
                path = write_spec(place, spec.model_copy(update={"watcher": socket}))
                code = _follow(_start_agent(path, recipe), interruption, port)
    if code:
        raise _explain(place, code, spec.checkpoints, interruption.reason)


def _start_agent(spec: Path, recipe: Recipe) -> subprocess.Popen[bytes]:
    """Start torchrun in a session of its own; it ends when its input does, which is when this process does."""
    if recipe.devices.nodes > 1:
        others = f"K from 1 to {recipe.devices.nodes - 1}"
        print(f"start on each other machine ({others}): python -m {AGENT} {spec} --node-rank K", flush=True)
    return subprocess.Popen(
        [sys.executable, "-m", AGENT, str(spec), "--watch-stdin"],
        stdin=subprocess.PIPE,
        env=child_environment({"OMP_NUM_THREADS": str(recipe.threads)}),
        start_new_session=True,
    )


def _follow(agent: subprocess.Popen[bytes], interruption: Interruption, port: WatcherPort | None) -> int:
    """Wait for the ranks to end, and pass on a request to stop."""
    told = False
    try:
        while agent.poll() is None:
            if interruption.reason is not None and not told:
                told = True
                agent.send_signal(signal.SIGTERM)
            if port is None or not port.serve(LOOK_SECONDS):
                time.sleep(0.0 if port else LOOK_SECONDS)
        while port is not None and port.serve(0.0):
            pass
    finally:
        _end(agent)
    return agent.returncode


def _end(agent: subprocess.Popen[bytes]) -> None:
    if agent.poll() is None:
        agent.terminate()
        try:
            agent.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            agent.kill()
            agent.wait()
    assert agent.stdin is not None  # noqa: S101 - a pipe was asked for
    agent.stdin.close()


def _explain(place: Path, code: int, checkpoints: Path | None, stopped_by: str | None) -> VoxloopError:
    """Return the error the ranks ended with: what one of them says, or what torchrun saw of one that says nothing."""
    errors = read_errors(place)
    own = [error for error in errors.values() if not isinstance(error, LostRankError)]
    silent = [failure for failure in read_failures(place) if failure.rank not in errors]
    if own:
        return own[0]
    crashed = [failure for failure in silent if failure.exit_code > 0]
    if crashed:
        return VoxloopError(
            f"rank {crashed[0].rank} ended with exit code {crashed[0].exit_code}",
            rule="all ranks train, or none",
            remedy="its own words stand above",
        )
    if stopped_by is not None:
        kept = newest_name(checkpoints)
        return TrainingInterruptedError(
            f"training was stopped by {stopped_by}; the newest checkpoint is {kept}"
            if kept
            else f"training was stopped by {stopped_by} before its first checkpoint",
            remedy=AGAIN,
        )
    said = [error.problem for error in errors.values()] or [f"torchrun ended with exit code {code}"]
    return lost_rank("; ".join([_describe(failure) for failure in silent] or said[:1]), checkpoints)


def _describe(failure: Failure) -> str:
    return f"rank {failure.rank} was ended by {failure.signal}"


@contextmanager
def _ranks_folder(recipe: Recipe, checkpoints: Path | None) -> Iterator[Path]:
    """Give a folder for the job and its endings: beside the checkpoints when other machines must see it."""
    if recipe.devices.nodes > 1 and checkpoints is not None:
        shared = checkpoints.absolute().with_name(f"{checkpoints.name}.ranks")
        shared.mkdir(parents=True, exist_ok=True)
        for old in shared.iterdir():
            old.unlink()
        yield shared
        return
    with tempfile.TemporaryDirectory(prefix="voxloop-ranks-") as folder:
        yield Path(folder)


def _write_start(place: Path, start: Mapping[str, Tensor] | None) -> Path | None:
    if start is None:
        return None
    path = place / "start.safetensors"
    save_file({name: value.contiguous() for name, value in start.items()}, path)
    return path
