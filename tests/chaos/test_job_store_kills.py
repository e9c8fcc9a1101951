"""A step killed with SIGKILL at a random moment: a whole result or none, and no leftovers after the next."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from voxloop.settings import Settings
from voxloop.store.digests import list_files

KILLS = 300

STEP = """
import sys, time
from pathlib import Path
from voxloop.store.job_store import run_step

def work(folder):
    for number in range(40):
        (folder / f"{number:02d}.bin").write_bytes(bytes([number]) * 20_000)
        time.sleep(0.001)

run_step("step", inputs={"data": Path(sys.argv[1])}, config={}, out=Path(sys.argv[2]), work=work)
"""


def start(data: Path, out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", STEP, str(data), str(out)], stdout=subprocess.DEVNULL)


def measure(data: Path, out: Path) -> float:
    """Return the wall seconds of one undisturbed run of a step that is not in the store."""
    data.write_bytes(out.name.encode())
    started = time.monotonic()
    assert start(data, out).wait() == 0
    return time.monotonic() - started


def test_killed_anywhere_a_step_is_whole_or_absent(settings: Settings, tmp_path: Path) -> None:
    kills = settings.trial_count(KILLS)
    draw = random.Random(20261120)  # noqa: S311 - moments, not secrets
    data = tmp_path / "data.bin"
    data.write_bytes(b"data")
    lengths = [measure(data, tmp_path / "whole" / str(number)) for number in range(3)]
    wanted = list_files(tmp_path / "whole" / "0")
    interrupted = 0
    for number in range(kills):
        data.write_bytes(f"data {number}".encode())  # a result of its own each time
        out = tmp_path / "outs" / str(number)
        step = start(data, out)
        time.sleep(draw.uniform(0.4, 1.05) * min(lengths))
        step.kill()
        interrupted += step.wait() != 0
        if out.exists():
            assert list_files(out) == wanted
        again = start(data, tmp_path / "outs" / f"{number}-again")
        assert again.wait() == 0
        assert list_files(tmp_path / "outs" / f"{number}-again") == wanted
        assert out.exists() or start(data, out).wait() == 0
    assert interrupted
    assert [path.name for path in (tmp_path / "outs").iterdir() if path.name.startswith(".")] == []
    assert [path.name for path in (settings.store / "step").iterdir() if path.name.startswith(".")] == []
    assert len(list((settings.store / "step").iterdir())) == kills + 3
    print(f"{kills} kills, {interrupted} while it ran")


@pytest.mark.slow
def test_two_runners_at_once_agree(settings: Settings, tmp_path: Path) -> None:
    data = tmp_path / "data.bin"
    for number in range(settings.trial_count(100)):
        data.write_bytes(f"data {number}".encode())
        outs = [tmp_path / f"{number}-{runner}" for runner in range(4)]
        runners = [start(data, out) for out in outs]
        assert [runner.wait() for runner in runners] == [0, 0, 0, 0]
        assert len({str(list_files(out)) for out in outs}) == 1
    assert [path.name for path in (settings.store / "step").iterdir() if path.name.startswith(".")] == []
