"""A training killed by another process at random steps ends as if nothing had happened."""

from __future__ import annotations

import random
import time
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from tests.unit.training.tones import write_tones
from tests.unit.training.trainings import Ranks, server
from voxloop.settings import Settings

__all__ = ["server"]

KILLS = 50
RECIPE = ("checkpoints={every_seconds: 0.1, keep: 2}", "optimiser.average_decay=0.9")


def kill_after(ranks: Ranks, steps: int, seconds: float = 200.0) -> bool:
    """Kill the process after so many of its steps; return whether it still ran."""
    end = time.monotonic() + seconds
    while len(ranks.steps()) < steps and ranks.processes[0].is_alive() and time.monotonic() < end:
        time.sleep(0.002)
    ran = ranks.processes[0].is_alive()
    ranks.end()
    return ran and ranks.processes[0].exitcode == -9


def leftovers(folder: Path) -> list[str]:
    """Return what lies beside the checkpoints of a training that has ended."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("step-"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_any_step_it_takes_the_same_steps(
    server: ForkServerContext, settings: Settings, tmp_path: Path
) -> None:
    draw = random.Random(20261121)  # noqa: S311 - moments, not secrets
    tones = write_tones(tmp_path / "tones")
    whole = Ranks(server, 1, tones, RECIPE, tmp_path / "whole")
    assert whole.wait() == [0]
    wanted = {number: step for number, *step in whole.steps()}
    kills, trainings, lived, inside = max(3, settings.trial_count(KILLS)), 0, 0, 0
    killed = 0
    while killed < kills:
        trainings += 1
        for _ in range(100):
            out = tmp_path / f"{trainings}" / f"{lived}"
            ranks = Ranks(server, 1, tones, RECIPE, out, tmp_path / f"kept-{trainings}")
            # The last one of all is let live, so that there is an end to compare.
            hit = kill_after(ranks, draw.randint(1, 12)) if killed < kills else ranks.wait() == []
            killed, lived = killed + hit, lived + 1
            steps = ranks.steps()
            assert all(wanted[number] == step for number, *step in steps)
            assert [number for number, *_ in steps] == list(range(steps[0][0], steps[0][0] + len(steps)))
            inside += hit and steps[-1][0] % 6 != 0
            if (out / "done.json").exists():
                break
        assert ranks.done() == whole.done()
        assert leftovers(tmp_path / f"kept-{trainings}") == []
    print(f"{killed} kills, {inside} of them inside an epoch, {trainings} trainings of {len(wanted)} steps")
    assert inside
