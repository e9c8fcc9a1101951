"""Taking things away: the name first, the bytes after, and never under the hands of a step."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.unit.store.test_retention import make
from voxloop.settings import Settings
from voxloop.store.retention_lineage import read_entries
from voxloop.store.sweep import delete, doom, find_doomed, find_leftovers, hold_store, weigh


def test_what_is_doomed_loses_its_name_first_and_read_only_parts_go_too(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "source").write_text("x")
    make("ingest", tmp_path / "out", {"path": tmp_path / "source"}, "data")
    (entry,) = read_entries(settings.store)[0]
    size = weigh(entry.folder)
    gone = doom(entry.folder)
    assert not entry.folder.exists()
    assert find_doomed([settings.home]) == [gone]
    assert weigh(gone) == size > 0
    delete(gone)
    delete(gone)
    assert list(entry.folder.parent.iterdir()) == []
    assert make("ingest", tmp_path / "again", {"path": tmp_path / "source"}, "data").is_dir()


def test_a_sweep_waits_for_a_step_that_copies_and_not_the_other_way_round(settings: Settings) -> None:
    script = """
import sys, time
from pathlib import Path
from voxloop.store.sweep import hold_store
with hold_store(Path(sys.argv[1]), alone=False):
    print("held", flush=True)
    time.sleep(0.7)
"""
    with subprocess.Popen([sys.executable, "-c", script, str(settings.store)], stdout=subprocess.PIPE) as step:
        assert step.stdout is not None
        assert step.stdout.readline() == b"held\n"
        with hold_store(settings.store, alone=False):
            pass  # two steps at once
        started = time.monotonic()
        with hold_store(settings.store, alone=True):
            waited = time.monotonic() - started
    assert waited > 0.3


def test_a_half_built_folder_is_not_searched_for_more(tmp_path: Path) -> None:
    inner = tmp_path / f".a.building-{os.getpid()}-x" / ".b.building-1-x"
    inner.mkdir(parents=True)
    assert find_leftovers([tmp_path]) == ([], [inner.parent])
