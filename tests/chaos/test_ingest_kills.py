"""`voxloop ingest` killed with SIGKILL at random moments: the next run ends as an undisturbed one, and nothing is left."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.fixtures.tiny_nemo import write_tiny_nemo
from voxloop.settings import Settings
from voxloop.store.digests import RECORD_NAME, list_files

KILLS = 20
VOXLOOP = Path(sys.executable).with_name("voxloop")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small corpus in an archive: unpacking is one more thing to be interrupted."""
    folder = tmp_path_factory.mktemp("corpus")
    write_tiny_nemo(folder / "nemo", sentences=6)
    packed = folder / "nemo.tar.gz"
    with tarfile.open(packed, "w:gz") as tar:
        tar.add(folder / "nemo", "nemo")
    return packed


def start(archive: Path, out: Path, home: Path) -> subprocess.Popen[bytes]:
    named = ["--path", str(archive), "--out", str(out)]
    command = [str(VOXLOOP), "ingest", "--corpus", "nemo", *named, "--set", "shard_mebibytes=0.05"]
    return subprocess.Popen(
        command, env={**os.environ, "VOXLOOP_HOME": str(home)}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def finish(process: subprocess.Popen[bytes]) -> None:
    _, told = process.communicate(timeout=120)
    assert process.returncode == 0, told.decode()


def measure(archive: Path, place: Path) -> float:
    """Return the wall seconds of an undisturbed run with a home of its own."""
    started = time.monotonic()
    finish(start(archive, place / "out", place / "home"))
    return time.monotonic() - started


def list_family(home: Path) -> Iterator[psutil.Process]:
    """Yield every process that was started with this home."""
    for process in psutil.process_iter():
        try:
            if process.environ().get("VOXLOOP_HOME") == str(home):
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue


def list_leftovers(*folders: Path) -> list[Path]:
    return [
        path for folder in folders for path in folder.rglob(".*") if "building" in path.name or "spoilt" in path.name
    ]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_anywhere_the_next_run_ends_as_an_undisturbed_one(
    settings: Settings, tmp_path: Path, archive: Path
) -> None:
    draw = random.Random(20261120)  # noqa: S311 - moments, not secrets
    lengths = [measure(archive, tmp_path / name) for name in ("whole", "again")]
    wanted = list_files(tmp_path / "whole" / "out")
    assert list_files(tmp_path / "again" / "out") == wanted
    assert len([name for name in wanted if name.startswith("shards/")]) > 1
    kills, interrupted = max(2, settings.trial_count(KILLS)), 0
    for number in range(kills):
        home, place = tmp_path / f"home-{number}", tmp_path / str(number)
        process = start(archive, place / "out", home)
        time.sleep(draw.uniform(0.1, 1.0) * min(lengths))
        process.kill()
        process.communicate()
        interrupted += process.returncode != 0
        _, alive = psutil.wait_procs(list(list_family(home)), timeout=10)
        assert alive == [], "a process outlived the run"
        if (place / "out").exists():
            assert list_files(place / "out") == wanted
        else:
            finish(start(archive, place / "out", home))
        assert list_files(place / "out") == wanted
        assert (place / "out" / RECORD_NAME).is_file()
        assert list_leftovers(place, home) == []
        assert not (home / "scratch").exists()
        assert [path.name for path in place.iterdir()] == ["out"]
    print(f"{kills} kills, {interrupted} while it ran, an undisturbed run takes {min(lengths):.1f} s")
    assert interrupted
