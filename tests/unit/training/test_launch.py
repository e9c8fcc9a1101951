"""Ranks started by torchrun, and how their end is told. Imports take most of the time."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.conftest import free_ports
from tests.unit.training.trainings import TASK, Trace, tiny
from voxloop.errors import CorpusError, TrainingInterruptedError
from voxloop.settings import child_environment
from voxloop.training.endings import LostRankError, PrunedTrainingError, lost_rank
from voxloop.training.interruption import Interruption
from voxloop.training.launch import AGENT, train_task
from voxloop.training.rank_files import (
    Failure,
    RanksSpec,
    read_errors,
    read_failures,
    read_spec,
    write_error,
    write_failures,
    write_spec,
)

TWO = ("epochs=2", "batching.batches_a_step=2")


def workers() -> list[psutil.Process]:
    """Return the agents and ranks under this process."""
    return [one for one in psutil.Process().children(recursive=True) if "voxloop.training." in " ".join(one.cmdline())]


@contextmanager
def no_orphans() -> Iterator[None]:
    """Check that nothing is left of what was started inside."""
    seen: dict[int, psutil.Process] = {}
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.2):
            try:
                seen.update({one.pid: one for one in workers()})
            except psutil.Error:
                continue

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield
    finally:
        over.set()
        looking.join()
        assert len(seen) >= 3
        assert psutil.wait_procs(list(seen.values()), timeout=5)[1] == []


def test_errors_come_back_as_they_were(tmp_path: Path) -> None:
    write_error(tmp_path, 0, CorpusError("a", rule="b", remedy="c"))
    write_error(tmp_path, 1, PrunedTrainingError(3))
    write_error(tmp_path, 2, lost_rank("gone", None))
    found = read_errors(tmp_path)
    assert [type(error) for error in found.values()] == [CorpusError, PrunedTrainingError, LostRankError]
    assert [str(found[0]), found[2].exit_code] == ["a; b; c", 85]
    assert isinstance(found[1], PrunedTrainingError)
    assert found[1].epoch == 3


def test_jobs_and_failures_come_back_as_they_were(tmp_path: Path) -> None:
    spec = RanksSpec(dataset=Path("/a"), folder=Path("/b"), task="emotion", recipe={"epochs": 1})
    assert read_spec(write_spec(tmp_path, spec)) == spec
    write_failures(tmp_path, 1, [Failure(3, -9, "SIGKILL")])
    assert read_failures(tmp_path) == [Failure(3, -9, "SIGKILL")]


@pytest.mark.slow
def test_a_killed_rank_is_named(tones: Path, tmp_path: Path) -> None:
    class Killer(Trace):
        killed = 0.0

        def step(self, progress: object, audio_seconds: float, waited: float) -> None:
            ranks = [one for one in workers() if "voxloop.training.worker" in one.cmdline()]
            if len(self.steps) == 8 and not self.killed:
                self.killed = time.monotonic()
                max(ranks, key=lambda one: int(one.environ()["RANK"])).kill()

    recipe, killer = tiny(*TWO, "epochs=500", "devices={count: 2, accelerator: cpu}"), Killer()
    with (
        no_orphans(),
        pytest.raises(LostRankError, match="rank 1 was ended by SIGKILL; .*newest checkpoint is step-") as told,
    ):
        train_task(tones, tmp_path / "out", task=TASK, recipe=recipe, checkpoints=tmp_path / "kept", watcher=killer)
    assert time.monotonic() - killer.killed < 60.0
    assert told.value.exit_code == 85


@pytest.mark.slow
def test_a_request_to_stop_reaches_the_ranks(tones: Path, tmp_path: Path) -> None:
    interruption = Interruption()
    recipe = tiny(*TWO, "epochs=500", "devices={count: 2, accelerator: cpu, strategy: fsdp2}")
    with (
        no_orphans(),
        pytest.raises(TrainingInterruptedError, match="stopped by SIGTERM in epoch .* checkpoint at step"),
    ):
        train_task(
            tones,
            tmp_path / "out",
            task=TASK,
            recipe=recipe,
            checkpoints=tmp_path / "kept",
            interruption=interruption,
            watcher=Trace(stop=interruption, stop_after=4),
        )
    assert list((tmp_path / "kept").glob("step-*"))


@pytest.mark.slow
def test_two_machines_on_loopback_train_together(tones: Path, tmp_path: Path) -> None:
    port = free_ports(1)[0]
    recipe = tiny(*TWO, f"devices={{nodes: 2, accelerator: cpu, rendezvous: '127.0.0.1:{port}'}}")
    out, kept = tmp_path / "out", tmp_path / "kept"
    out.mkdir()
    trace, started = Trace(), threading.Event()

    def second() -> None:
        spec = tmp_path / "kept.ranks" / "ranks.json"
        while not spec.is_file():
            time.sleep(0.1)
        subprocess.run(
            [sys.executable, "-m", AGENT, str(spec), "--node-rank", "1"],
            env=child_environment({"OMP_NUM_THREADS": "1"}),
            check=True,
        )
        started.set()

    other = threading.Thread(target=second)
    other.start()
    with no_orphans():
        train_task(tones, out, task=TASK, recipe=recipe, checkpoints=kept, watcher=trace)
        other.join(60)
    assert started.is_set()
    report = json.loads((out / "training.json").read_text())
    assert len(report["history"]) == 2
    assert [step[0] for step in trace.steps] == list(range(1, 7))
