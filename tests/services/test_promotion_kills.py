"""`voxloop deploy` killed by force in each step, then one `voxloop reconcile`: always wholly old or wholly new.

Which step a promotion is in is seen from outside (ledger file, repository, Triton, MLflow), and so is what came of it.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.services.pipeline_folders import PipelineFolders
from tests.services.release_process import Stranger, start
from tests.services.test_triton import do_register
from voxloop.adapters.triton import TritonServer
from voxloop.jobs.deploy import deploy
from voxloop.jobs.reconcile import reconcile
from voxloop.release.versions import serving_name
from voxloop.settings import Settings

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"), pytest.mark.slow]
FAMILY, KILLS = "storm", 20
STEPS = ("claim", "stage", "load", "flip", "mirror", "done", "any")


@dataclass
class Storm:
    """One family through all kills: who is in force, who was before, and who waits."""

    stranger: Stranger
    root: Path
    registered: int = 0
    champion: PipelineFolders | None = None
    fallback: PipelineFolders | None = None
    waiting: PipelineFolders | None = None

    def register(self) -> None:
        """Register and approve another version, judged against the champion."""
        self.registered += 1
        against = self.champion.model_digest if self.champion else None
        place = self.root / str(self.registered)
        self.waiting = do_register(place, task=FAMILY, gain=1 + self.registered / 8, champion=against)

    def took_over(self) -> None:
        """The one that waited is in force now."""
        self.champion, self.fallback, self.waiting = self.waiting, self.champion, None


def name_of(folders: PipelineFolders | None) -> str | None:
    return None if folders is None else serving_name(FAMILY, folders.model_digest)


def signs_of(storm: Storm) -> dict[str, Callable[[], bool]]:
    """Return, by step, what is seen from outside when it has begun or just ended."""
    stranger, name = storm.stranger, name_of(storm.waiting)
    assert name is not None
    claims, routes = stranger.rows("promotion", "claimed"), stranger.rows("route")
    done = stranger.rows("promotion", "done")
    return {
        "claim": lambda: stranger.rows("promotion", "claimed") > claims,
        "stage": lambda: stranger.is_staged(name),
        "load": lambda: stranger.is_ready(name),
        "flip": lambda: stranger.rows("route") > routes,
        "mirror": lambda: stranger.alias("champion") == name,
        "done": lambda: stranger.rows("promotion", "done") > done,
        "any": lambda: True,
    }


def kill_in(storm: Storm, step: str, draw: random.Random) -> bool:
    """Start `voxloop deploy`, kill it at a random moment from the sign of a step on; return whether it still lived."""
    sign = signs_of(storm)[step]
    process = start(FAMILY, "deploy", "--task", FAMILY)
    while process.poll() is None and not sign():
        time.sleep(0.002)
    time.sleep(draw.uniform(0, 16) if step == "any" else draw.uniform(0, 0.4) * draw.random())
    lived = process.poll() is None
    process.kill()
    process.communicate()
    return lived


def require_wholly(storm: Storm, champion: PipelineFolders, fallback: PipelineFolders | None) -> None:
    """Fail unless MLflow and Triton, asked by stock clients, agree on exactly these."""
    stranger, names = storm.stranger, [name_of(champion), name_of(fallback)]
    assert [stranger.alias("champion"), stranger.alias("fallback")] == names
    for folders in (storm.champion, storm.fallback, storm.waiting):
        if (name := name_of(folders)) is not None:
            assert stranger.is_ready(name) == (name in names), name
            assert stranger.is_staged(name) == (name in names), name
    name = name_of(champion)
    assert name is not None
    with TritonServer(stranger.settings) as server:
        assert server.read_digest(name) == champion.model_digest
    assert sum(stranger.answer(name)) == pytest.approx(1, abs=1e-4)


@pytest.mark.timeout(7200)
def test_killed_in_any_step_and_reconciled_it_is_wholly_old_or_wholly_new(
    platform: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Models that have just left stay for two minutes; here the reconciliation takes them down at once, to be looked at.
    monkeypatch.setattr("voxloop.release.mirror.LEAVING", timedelta(0))
    draw = random.Random(20261129)  # noqa: S311 - moments, not secrets
    storm = Storm(Stranger(platform, FAMILY), tmp_path)
    storm.register()
    deploy(task=FAMILY)
    storm.took_over()
    became: Counter[tuple[str, str]] = Counter()
    for step in STEPS * platform.trial_count(KILLS):
        if storm.waiting is None:
            storm.register()
        lived = kill_in(storm, step, draw)
        assert reconcile(task=FAMILY) == 0
        assert storm.champion is not None
        if storm.stranger.alias("champion") == name_of(storm.champion):
            require_wholly(storm, storm.champion, storm.fallback)
            became[step, "old"] += 1
        else:
            assert storm.waiting is not None
            require_wholly(storm, storm.waiting, storm.champion)
            storm.took_over()
            became[step, "new"] += 1
        became[step, "killed"] += lived
    assert reconcile(task=FAMILY, dry_run=True) == 0
    with capsys.disabled():
        print({step: {what: became[step, what] for what in ("killed", "old", "new")} for step in STEPS})
    assert all(became[step, "old"] + became[step, "new"] == platform.trial_count(KILLS) for step in STEPS)
    assert sum(became[step, "killed"] for step in STEPS) >= len(STEPS)
