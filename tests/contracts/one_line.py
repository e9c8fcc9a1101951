"""The command as a user runs it, and what every refusal looks like."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

VOXLOOP = Path(sys.executable).with_name("voxloop")


def run_voxloop(home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run `voxloop` with a state folder of its own below `home`."""
    environment = {**os.environ, "VOXLOOP_HOME": str(home / "home")}
    return subprocess.run([VOXLOOP, *command], env=environment, capture_output=True, text=True, check=False)


def assert_one_line(done: subprocess.CompletedProcess[str], *named: str) -> None:
    """One line on stderr that names what is wrong, with a rule or a remedy, and exit code 2."""
    assert done.returncode == 2, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("voxloop: ")
    assert all(word in lines[0] for word in named), lines[0]
    assert len(lines[0].split("; ")) >= 2, "no rule and no remedy"
