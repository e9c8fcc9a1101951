"""Workers of a search killed by force at random moments: no trial is lost, none is done twice."""

from __future__ import annotations

import random
import time
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import pytest

from tests.unit.training.tones import tone_rows, write_tones
from tests.unit.training.trainings import server
from tests.unit.tuning.studies import assert_whole, ended_trials, read_journal, start_tune
from voxloop.settings import Settings
from voxloop.store.sweep import DOOMED

__all__ = ["server"]

KILLS = 100
NEVER_ENOUGH = 100_000
"""Trials asked for while there are kills to come: however fast the machine, a victim is at work."""


def wait_for_a_trial(words: Path, worker: ForkServerProcess, seconds: float = 120.0) -> None:
    """Wait until a worker has begun a trial, or has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and worker.is_alive():
        if words.exists() and "training " in words.read_text():
            return
        time.sleep(0.005)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_workers_killed_at_any_moment_lose_and_double_no_trial(
    server: ForkServerContext, settings: Settings, tmp_path: Path
) -> None:
    draw = random.Random(20261122)  # noqa: S311 - moments, not secrets
    dataset = write_tones(tmp_path / "tones", tone_rows({"train": 2, "dev": 1}))
    wanted_kills = max(3, settings.trial_count(KILLS))
    home, out, kills = settings.home, tmp_path / "out", 0
    often = ("checkpoints.every_seconds=0.05",)

    def start(wanted: int) -> ForkServerProcess:
        return start_tune(server, home, dataset, out, "killed", wanted, *often)

    workers = [start(NEVER_ENOUGH), start(NEVER_ENOUGH)]
    while kills < wanted_kills:
        victim = workers[kills % 2]
        wait_for_a_trial(tmp_path / f"out-{victim.pid}.txt", victim)
        time.sleep(draw.uniform(0.0, 1.5))
        assert victim.is_alive(), "there is always something left to do"
        victim.kill()
        victim.join()
        workers[kills % 2] = start(NEVER_ENOUGH)
        kills += 1
    for worker in workers:
        worker.kill()
        worker.join()
        kills += 1
    wanted = ended_trials(read_journal(home, "killed")) + 4
    workers = [start(wanted), start(wanted)]
    for worker in workers:
        worker.join(900)
    for worker in workers:
        assert worker.exitcode == 0, (tmp_path / f"out-{worker.pid}.txt").read_text()[-4000:]
    trials = read_journal(home, "killed")
    lost = assert_whole(trials, wanted)
    resumed = [trial for trial in trials if "retry_of" in trial.user_attrs]
    went_on = [trial for trial in resumed if trials[trial.user_attrs["retry_of"]].intermediate_values]
    print(f"{kills} kills: {lost} trials lost and tried again, {len(went_on)} after an epoch; {wanted} ended once each")
    assert lost <= kills
    left = [path.name for path in (home / "store").glob(".unfinished/tune/*")]
    assert all(name.startswith(DOOMED) for name in left), "killed while it deleted: the next gc ends that"
