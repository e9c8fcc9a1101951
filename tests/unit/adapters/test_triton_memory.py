from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from voxloop.adapters.triton_memory import measure_peak

PROGRAM = "import sys; held = bytearray({mebibytes} * 2**20); print('there', flush=True); sys.stdin.read()"


def start(folder: Path, mebibytes: int) -> subprocess.Popen[bytes]:
    """Start a process whose command line names the staged program, as Triton's stub does."""
    program = PROGRAM.format(mebibytes=mebibytes)
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(folder / "1" / "model.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_the_processes_of_a_model_are_summed_and_those_of_others_are_not(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "emotion-1", tmp_path / "emotion-12"
    started = [start(ours, 40), start(ours, 80), start(theirs, 10)]
    try:
        taken = measure_peak(ours)
        assert taken is not None
        assert 120 * 2**20 < taken < 250 * 2**20
    finally:
        for process in started:
            process.communicate()
    assert measure_peak(ours) is None, "nothing that runs, nothing to tell"
