"""The world as a process: what it is asked, what it says no to, and that it ends with whoever started it."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest

from voxloop.errors import VoxloopError
from voxloop.local.simulation.world_process import WorldProcess
from voxloop.settings import Settings, environment_of


def start(settings: Settings, place: Path, *arguments: str) -> WorldProcess:
    told = ("--task=emotion", "--days=4", "--seed=5", f"--place={place}", *arguments)
    return WorldProcess(told, environment_of(settings), place / "log")


def worlds() -> list[psutil.Process]:
    """Those started here: a test that ran before may have left this worker other children (a pool that winds down)."""
    children = psutil.Process().children()
    return [one for one in children if WorldProcess.MODULE in " ".join(one.cmdline())]


def test_it_says_what_it_cannot_do_and_ends(settings: Settings, tmp_path: Path) -> None:
    with start(settings, tmp_path) as world:
        with pytest.raises(VoxloopError, match="nobody can be asked"):
            world.ask(do="window", window=0)
        with pytest.raises(VoxloopError, match="nobody can be asked"):
            world.ask(do="window", window=1)
        begun = worlds()
        assert len(begun) == 1
    assert not any(one.is_running() for one in begun)
    assert json.dumps((tmp_path / "log").read_text()) == '""'


def test_one_that_cannot_begin_is_told_of(settings: Settings, tmp_path: Path) -> None:
    with start(settings, tmp_path, "--days=1") as world, pytest.raises(VoxloopError, match="the world has ended"):
        world.ask(do="first batch")
    assert "1 days" in (tmp_path / "log").read_text()
