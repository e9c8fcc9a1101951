"""A process that gives one reason to train again, over a pipeline that takes moments.

`python -m tests.chaos.retrainer TASK KIND EPISODE`; the settings come from the environment. The stand-in makes a version
of the registry's folder as the real one does, once a run, and cries out should two run for one family at once.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voxloop.runners import compile as arguments_of
from voxloop.runners import retrain as runner
from voxloop.runners.result import RunResult
from voxloop.settings import Settings, child_environment, get_settings
from voxloop.store.lock import take_lock

MOST_SECONDS = 0.6


def train(arguments: Mapping[str, Any], folder: Path) -> RunResult:
    """Take a moment, then make a version."""
    home = get_settings().home
    alone = take_lock(home / f"training-{arguments['task']}")
    if alone is None:
        (home / f"overlap-{os.getpid()}").touch()
        raise AssertionError("two retrainings of one family at once")
    with alone:
        folder.mkdir(parents=True, exist_ok=True)
        time.sleep(random.uniform(0.0, MOST_SECONDS))  # noqa: S311 - a moment, not a secret
        version = register(home / "versions", folder.name)
        time.sleep(random.uniform(0.0, MOST_SECONDS / 3))  # noqa: S311
    return RunResult("training", "local", dict(arguments), {}, verdict="PASS", data_verdict="PASS", version=version)


def register(registry: Path, run: str) -> int:
    """Return the version of a run, made when missing."""
    registry.mkdir(exist_ok=True)
    lock = take_lock(registry / ".lock")
    while lock is None:
        time.sleep(0.005)
        lock = take_lock(registry / ".lock")
    with lock:
        known = sorted(path.name for path in registry.iterdir() if not path.name.startswith("."))
        for name in known:
            if name.partition("-")[2] == run:
                return int(name.partition("-")[0])
        (registry / f"{len(known) + 1}-{run}").touch()
        return len(known) + 1


def start_retrainer(settings: Settings, task: str, kind: str, episode: str) -> subprocess.Popen[bytes]:
    """Start one on the state folder of these settings."""
    command = [sys.executable, "-m", "tests.chaos.retrainer", task, kind, episode]
    return subprocess.Popen(command, env=child_environment(settings.environment()))


if __name__ == "__main__":
    runner._run_pipeline = train
    # The episode among them: a night would else be skipped for want of news.
    told = {"task": sys.argv[1], "corpus_path": str(get_settings().home / "corpus"), "config": sys.argv[3]}
    arguments_of.read_arguments = lambda *_: told
    runner.retrain(kind=sys.argv[2], episode=sys.argv[3])
