"""How long `voxloop --help` takes as a whole process; the peer is the half second a person does not notice."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.report import Finding

RUNS = 7
LIMIT = 0.5  # s


def measure() -> Finding:
    """Return the median wall seconds of seven runs after one that warms the disk cache."""
    command = [str(Path(sys.executable).with_name("voxloop")), "--help"]
    seconds = []
    for _ in range(RUNS + 1):
        started = time.perf_counter()
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        seconds.append(time.perf_counter() - started)
        if "Usage: voxloop" not in shown:
            raise AssertionError("the help is not the help")
    return Finding("voxloop --help: seconds", statistics.median(seconds[1:]), LIMIT, 1.0, "at most")


if __name__ == "__main__":
    print(measure().as_json())
