"""A real platform for a module of tests, through the command line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from voxloop.local.down import stop_platform
from voxloop.settings import Settings, child_environment


def voxloop(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the current settings."""
    command = [str(Path(sys.executable).with_name("voxloop")), *arguments]
    return subprocess.run(command, env=child_environment(environment), capture_output=True, text=True, check=False)


@contextmanager
def running_platform(settings: Settings) -> Iterator[Settings]:
    """Have the whole platform up until the block ends."""
    if not settings.triton_python.exists():
        pytest.skip(f"no {settings.triton_python}: `make setup` makes Triton's environment")
    try:
        done = voxloop("up", "--wait", "300")
        assert done.returncode == 0, done.stdout + done.stderr
        assert [line.split()[0] for line in done.stdout.splitlines() if "healthy after" in line] != []
        yield settings
    finally:
        stop_platform(settings)
