"""Several processes train one network as one process does; any of them may be lost."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from tests.soak import in_soak
from tests.unit.training.trainings import Ranks, server

__all__ = ["server"]

pytestmark = pytest.mark.slow  # three trainings by one process before the first by two

IN_SOAK = in_soak("half a minute, and its twin is tried")

TWO = ("epochs=2", "batching.batches_a_step=2")
BATCH_NORM = (*TWO, "network.norm=batch", "optimiser.average_decay=0.9")
FOUR = ("epochs=2", "batching.batches_a_step=4", "batching.audio_seconds=3", "optimiser.average_decay=0.9")


def devices(strategy: str) -> str:
    return f"devices={{count: 2, accelerator: cpu, strategy: {strategy}}}"


def train(server: ForkServerContext, count: int, tones: Path, overrides: Any, out: Path, **more: Any) -> Ranks:
    ranks = Ranks(server, count, tones, overrides, out, **more)
    try:
        assert ranks.wait() == [0] * count, ranks.errors()
    finally:
        ranks.end()
    return ranks


def assert_same_curve(found: list[list[Any]], wanted: list[list[Any]]) -> None:
    assert [step[:2] for step in found] == [step[:2] for step in wanted]
    assert [step[2] for step in found] == pytest.approx([step[2] for step in wanted], rel=2e-4)
    assert [step[3] for step in found] == pytest.approx([step[3] for step in wanted], rel=2e-3)


@pytest.fixture(scope="module")
def alone(server: ForkServerContext, tones: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ranks]:
    """Return the same trainings by one process, by name of their steps."""
    place = tmp_path_factory.mktemp("alone")
    return {
        "two": train(server, 1, tones, TWO, place / "two"),
        "batch norm": train(server, 1, tones, BATCH_NORM, place / "batch-norm"),
        "four": train(server, 1, tones, FOUR, place / "four"),
    }


@pytest.mark.parametrize(
    ("strategy", "name", "overrides"),
    [
        ("ddp", "two", TWO),
        ("ddp", "batch norm", BATCH_NORM),
        ("fsdp2", "two", TWO),
        pytest.param("fsdp2", "batch norm", BATCH_NORM, marks=IN_SOAK),
    ],
)
def test_two_ranks_have_the_curve_of_one(
    server: ForkServerContext,
    alone: dict[str, Ranks],
    tones: Path,
    tmp_path: Path,
    strategy: str,
    name: str,
    overrides: tuple[str, ...],
) -> None:
    ranks = train(server, 2, tones, (*overrides, devices(strategy)), tmp_path)
    assert_same_curve(ranks.steps(), alone[name].steps())
    for found, wanted in zip(ranks.done()["history"], alone[name].done()["history"], strict=True):
        assert found["dev"] == wanted["dev"]
        assert found["dev_loss"] == pytest.approx(wanted["dev_loss"], rel=1e-3)


@pytest.mark.parametrize("strategy", [pytest.param("ddp", marks=IN_SOAK), "fsdp2"])
def test_ranks_sum_gradients_of_several_batches_and_average_weights(
    server: ForkServerContext, alone: dict[str, Ranks], tones: Path, tmp_path: Path, strategy: str
) -> None:
    ranks = train(server, 2, tones, (*FOUR, devices(strategy)), tmp_path)
    assert_same_curve(ranks.steps(), alone["four"].steps())
    losses = [[epoch["dev_loss"] for epoch in one.done()["history"]] for one in (ranks, alone["four"])]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def wait_for_steps(ranks: Ranks, count: int, seconds: float = 200.0) -> None:
    end = time.monotonic() + seconds
    while len(ranks.steps()) < count and time.monotonic() < end:
        time.sleep(0.01)
    assert len(ranks.steps()) >= count, ranks.wait(1.0)


def test_sigterm_to_one_rank_stops_all_and_any_strategy_goes_on(
    server: ForkServerContext, alone: dict[str, Ranks], tones: Path, tmp_path: Path
) -> None:
    stopped = Ranks(server, 2, tones, (*TWO, "epochs=400", devices("ddp")), tmp_path / "stopped", tmp_path / "kept")
    try:
        wait_for_steps(stopped, 5)
        os.kill(stopped.processes[1].pid or 0, signal.SIGTERM)
        assert stopped.wait() == [85, 85]
    finally:
        stopped.end()
    told = stopped.errors()
    assert "training was stopped by SIGTERM" in told[1]["told"]
    assert "stopped by another rank that was told to" in told[0]["told"]
    done = len(stopped.steps())
    assert f"with a checkpoint at step {done}" in told[0]["told"]
    assert [path.name for path in sorted((tmp_path / "kept").glob("step-*"))][-1].startswith(f"step-{done:09d}")


@pytest.mark.parametrize(("count", "strategy"), [pytest.param(1, "ddp", marks=IN_SOAK), (2, "fsdp2")])
def test_what_ddp_saved_any_strategy_goes_on_from(
    server: ForkServerContext, alone: dict[str, Ranks], tones: Path, tmp_path: Path, count: int, strategy: str
) -> None:
    kept = tmp_path / "kept"
    each = "checkpoints={every_seconds: 0, keep: 100}"
    train(server, 2, tones, (*TWO, devices("ddp"), each), tmp_path / "whole", checkpoints=kept)
    for place in sorted(kept.glob("step-*"))[2:]:
        place.rename(tmp_path / place.name)
    overrides = (*TWO, devices(strategy)) if count > 1 else TWO
    went_on = train(server, count, tones, overrides, tmp_path / "on", checkpoints=kept)
    assert went_on.steps()[0][0] == 3
    assert_same_curve(went_on.steps(), alone["two"].steps()[2:])


@pytest.mark.parametrize("lost", [pytest.param(0, marks=IN_SOAK), 1])
def test_a_lost_rank_ends_the_others_with_a_checkpoint(
    server: ForkServerContext, tones: Path, tmp_path: Path, lost: int
) -> None:
    long = (*TWO, "epochs=400", devices("ddp"), "checkpoints.every_seconds=1")
    ranks = Ranks(server, 2, tones, long, tmp_path / "out", tmp_path / "kept")
    try:
        wait_for_steps(ranks, 4)
        ranks.processes[lost].kill()
        killed = time.monotonic()
        codes = ranks.wait(60.0)
        assert time.monotonic() - killed < 60.0
    finally:
        ranks.end()
    assert codes[1 - lost] == 85
    told = ranks.errors()[1 - lost]["told"]
    assert "training lost a process" in told
    if lost == 1:
        newest = max(path.name for path in (tmp_path / "kept").glob("step-*"))
        assert newest in told
        assert int(newest[5:14]) in {len(ranks.steps()), len(ranks.steps()) - 1}
    assert not list((tmp_path / "kept").glob(".*building*"))


def test_more_ranks_than_data_is_refused_before_training(
    server: ForkServerContext, tones: Path, tmp_path: Path
) -> None:
    ranks = Ranks(server, 2, tones, ("batching.batches_a_step=98", devices("ddp")), tmp_path)
    try:
        assert ranks.wait() == [2, 2]
    finally:
        ranks.end()
    assert "utterances for steps of 98 batches" in ranks.errors()[0]["told"]
    assert ranks.steps() == []
