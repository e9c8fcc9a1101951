"""A training killed with SIGKILL while it saves, by another process: whole checkpoints or none, nothing left over."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.checkpoint_storm import ROOM
from voxloop.settings import child_environment, get_settings

KILLS = 300
STORM = Path(__file__).with_name("checkpoint_storm.py")
MOUNT = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"'
OTHER_FILE_SYSTEM = Path("/dev/shm")


def storm(mode: str, root: Path, number: int, *, before: Sequence[str] = (), **environment: str) -> dict[str, Any]:
    command = [*before, sys.executable, str(STORM), mode, str(root), str(number), "20261121"]
    done = subprocess.run(
        command,
        env=child_environment({"OMP_NUM_THREADS": "1", **environment}),
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(mode, found)
    return found


def small_disk(folder: Path, size: int) -> list[str]:
    """Return the start of a command that sees a file system of `size` bytes at `folder`, and nobody else does."""
    folder.mkdir()
    for alone in (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"]):
        mounted = [*alone, "sh", "-c", MOUNT, "mount", str(size), str(folder)]
        if subprocess.run([*mounted, "true"], capture_output=True, check=False).returncode == 0:
            return mounted
    pytest.skip("no small file system can be mounted here: neither root nor a user namespace")


def test_killed_anywhere_in_a_save_a_checkpoint_is_whole_or_absent(tmp_path: Path) -> None:
    found = storm("random", tmp_path / "checkpoints", get_settings().trial_count(KILLS))
    assert found["kills"] == get_settings().trial_count(KILLS)
    if found["kills"] >= 30:
        assert found["inside a save"] > found["kills"] // 4


def test_killed_before_each_line_of_a_save(tmp_path: Path) -> None:
    assert storm("lines", tmp_path / "checkpoints", get_settings().trial_count(1000))["lines of a save"] > 50


def test_nothing_goes_through_a_temporary_folder_of_another_file_system(tmp_path: Path) -> None:
    if not OTHER_FILE_SYSTEM.is_dir() or OTHER_FILE_SYSTEM.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system at hand")
    with tempfile.TemporaryDirectory(dir=OTHER_FILE_SYSTEM) as elsewhere:
        kills = get_settings().trial_count(KILLS)
        assert storm("random", tmp_path / "checkpoints", kills, TMPDIR=elsewhere)["kills"] == kills
        assert list(Path(elsewhere).iterdir()) == []


def test_without_any_temporary_folder_it_saves_all_the_same(tmp_path: Path) -> None:
    assert storm("random", tmp_path / "checkpoints", 1, TMPDIR=str(tmp_path / "missing"))["kills"] == 1


def test_a_full_disk_costs_the_new_checkpoint_alone(tmp_path: Path) -> None:
    before = small_disk(tmp_path / "small", ROOM)
    found = storm("full", tmp_path / "small" / "checkpoints", 0, before=before)
    assert "the checkpoint at step 3 could not be written" in found["error"]
    assert "No space left on device" in found["error"]
    assert found["newest"] == 2


def test_a_file_that_may_not_grow_costs_the_new_checkpoint_alone(tmp_path: Path) -> None:
    found = storm("full", tmp_path / "checkpoints", 2 * 2**20)
    assert "File too large" in found["error"]


def test_killed_on_a_disk_that_is_all_but_full(tmp_path: Path) -> None:
    before = small_disk(tmp_path / "small", 4 * 2**20)
    kills = get_settings().trial_count(KILLS)
    found = storm("random-full", tmp_path / "small" / "checkpoints", kills, before=before)
    assert found["kills"] == kills
