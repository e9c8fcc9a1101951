"""Reconciling, rolling back and freezing against real MLflow and Triton servers, with the command itself."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.services.release_process import Stranger, start
from tests.services.test_triton import aliases, do_register
from tests.soak import WHOLE
from voxloop.adapters.triton import TritonServer
from voxloop.errors import RefusedError
from voxloop.jobs.deploy import deploy
from voxloop.jobs.fetch_champion import fetch_champion
from voxloop.jobs.freeze import freeze, unfreeze
from voxloop.jobs.ledger import show
from voxloop.jobs.reconcile import reconcile
from voxloop.release.mirror import HEAD_COPY
from voxloop.release.versions import CHALLENGER, CHAMPION, FALLBACK
from voxloop.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")]
ROLLBACK_SECONDS = 1.0 if WHOLE else 60.0
"""From the command to the fallback answering; what is promised is looked at where no other test has the processor."""


def promote_two(root: Path, task: str) -> list[str]:
    """Return the Triton names of a first and a second champion; a third version waits."""
    names, champion = [], None
    for number, gain in enumerate((1.0, 2.0), start=1):
        champion = do_register(root / str(number), task=task, gain=gain, champion=champion).model_digest
        names.append(deploy(task=task))
    do_register(root / "3", task=task, gain=3.0, champion=champion)
    return names


def test_what_was_changed_by_hand_or_lost_is_mended(
    platform: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = promote_two(tmp_path, "mended")
    client = MlflowClient(tracking_uri=platform.mlflow_url, registry_uri=platform.mlflow_url)
    assert '"sequence"' in client.get_registered_model("mended").tags[HEAD_COPY]
    client.set_registered_model_alias("mended", CHAMPION, "3")
    client.delete_registered_model_alias("mended", FALLBACK)
    fetch_champion(tmp_path / "champion", task="mended")
    assert '"version": 2' in (tmp_path / "champion" / "champion.json").read_text(), "an alias is a picture"
    with TritonServer(platform) as server:
        server.unload(first)
        server.repository.remove(first)
        capsys.readouterr()
        assert reconcile(task="mended", dry_run=True) == 1
        told = capsys.readouterr().out
        assert told.count("would be mended") == 3
        assert not server.is_ready(first)
        assert reconcile(task="mended") == 0
        assert server.is_ready(first)
        assert server.is_ready(second)
    told = capsys.readouterr().out
    assert "the alias champion is on version 3, the ledger says version 2" in told
    assert f"{first} (mended version 1) is not served" in told
    assert aliases(platform, "mended") == {CHAMPION: 2, FALLBACK: 1, CHALLENGER: 3}
    assert reconcile(task="mended") == 0
    assert "ledger, registry and Triton agree" in capsys.readouterr().out


def test_a_rollback_is_fast_and_is_not_undone(
    platform: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = promote_two(tmp_path, "rolled")
    freeze("rolled", until="2999-01-01", because="the fair")
    with pytest.raises(RefusedError, match="frozen until 2999-01-01 00:00 UTC: the fair"):
        deploy(task="rolled")
    stranger = Stranger(platform, "rolled")
    before, begun = stranger.rows("route"), time.monotonic()
    process = start("rolled", "rollback", "rolled", "--because", "it swears")
    while stranger.rows("route") == before and process.poll() is None:
        time.sleep(0.005)
    assert stranger.is_ready(first)
    took = time.monotonic() - begun
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    with capsys.disabled():
        print(f"from command to the fallback answering: {took:.2f} s")
    assert took < ROLLBACK_SECONDS
    assert aliases(platform, "rolled") == {CHAMPION: 1, FALLBACK: None, CHALLENGER: 3}
    unfreeze("rolled", because="it is over")
    capsys.readouterr()
    assert deploy(task="rolled") == first
    told = capsys.readouterr().out
    assert "rolled version 2 is approved, but its approval is used up" in told
    assert "rolled version 3 is approved, but it was judged against" in told
    with pytest.raises(RefusedError, match="used up"):
        deploy(task="rolled", version=2)
    capsys.readouterr()
    show("rolled")
    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [(row[5], row[6], row[7]) if row[2] != "now" else (row[4], row[5], row[6]) for row in table] == [
        ("1", first.removeprefix("rolled-"), "promotion"),
        ("2", second.removeprefix("rolled-"), "promotion"),
        ("1", first.removeprefix("rolled-"), "rollback"),
    ]
