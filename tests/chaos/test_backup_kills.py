"""`voxloop backup` and `voxloop restore` killed by force at random moments, then run again: whole, or not there."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.local.homes import make_home, read_mirrored, write_both
from voxloop.ledger.book import open_ledger
from voxloop.ledger.entry import RESTORED
from voxloop.ledger.restoring import MARK_NAME
from voxloop.settings import Settings, child_environment

KILLS = 200
ARTIFACTS, MEBIBYTE = 40, 2**20


def start(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("voxloop")), *arguments],
        env=child_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_while(sign: Path, process: subprocess.Popen[bytes], draw: random.Random) -> bool:
    """Kill a process at a random moment from the first sign of work on; return whether it still lived."""
    while process.poll() is None and not list(sign.parent.glob(f".{sign.name}.building-*")):
        time.sleep(0.001)
    time.sleep(draw.uniform(0, 0.5) * draw.random())
    lived = process.poll() is None
    process.kill()
    process.wait()
    return lived


@pytest.mark.timeout(1800)
def test_killed_anywhere_and_run_again_they_end_as_if_they_had_run_once(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = random.Random(20261129)  # noqa: S311 - moments, not secrets
    ledger = make_home(settings)
    for number in range(ARTIFACTS):
        (settings.home / "mlflow" / "artifacts" / f"{number}.bin").write_bytes(draw.randbytes(MEBIBYTE))
    killed = {"backup": 0, "restore": 0}
    for round_ in range(settings.trial_count(KILLS)):
        out = tmp_path / f"backup-{round_}"
        killed["backup"] += kill_while(out, start("backup", "--to", str(out)), draw)
        if not out.exists():
            assert start("backup", "--to", str(out)).wait() == 0
        before = len(ledger.read())
        write_both(settings, ledger, 100 + round_)
        process = start("restore", "--from", str(out), "--replace")
        killed["restore"] += kill_while(settings.home / "restore-staged", process, draw)
        is_done = open_unless_marked(settings) == before + 1
        if not is_done:
            assert start("restore", "--from", str(out), "--replace").wait() == 0
        entries = open_ledger(settings).verify()
        assert (len(entries), entries[-1].kind) == (before + 1, RESTORED)
        assert read_mirrored(settings.home) < len(entries)
        assert len(list((settings.home / "mlflow" / "artifacts").glob("*.bin"))) == ARTIFACTS
        assert [path.name for path in tmp_path.iterdir() if "building" in path.name] == []
        for aside in settings.home.glob("replaced-*"):
            shutil.rmtree(aside)
    with capsys.disabled():
        print({name: f"{count} of {settings.trial_count(KILLS)} killed at work" for name, count in killed.items()})
    assert sum(killed.values()) > 0


def open_unless_marked(settings: Settings) -> int:
    """Return how many entries there are that end with a restore; 0 while a swap has not ended."""
    if (settings.home / MARK_NAME).exists():
        return 0
    entries = open_ledger(settings).verify()
    return len(entries) if entries[-1].kind == RESTORED else 0
