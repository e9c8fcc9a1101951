from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from voxloop.errors import InputError
from voxloop.store.atomic import build_folder, make_beside, write_file


def test_a_file_is_replaced_whole_and_nothing_stays_beside(tmp_path: Path) -> None:
    path = tmp_path / "a" / "file.txt"
    write_file(path, "one")
    write_file(path, b"two", mode=0o600)
    assert path.read_text(encoding="utf-8") == "two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


def test_a_folder_appears_only_when_its_work_is_done(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with build_folder(out) as folder:
        (folder / "x").write_text("1", encoding="utf-8")
        assert not out.exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), build_folder(tmp_path / "out") as folder:
        (folder / "x").write_text("1", encoding="utf-8")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_there_is_never_overwritten(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"
    if kind == "file":
        out.write_text("mine", encoding="utf-8")
    else:
        out.mkdir()
        (out / "x").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="already holds something"), build_folder(out):
        pass


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with build_folder(tmp_path / "out") as folder:
        (folder / "x").write_text("1", encoding="utf-8")
    assert (tmp_path / "out" / "x").exists()


def test_leftovers_of_a_killed_build_go_with_the_next_and_a_living_build_is_spared(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from voxloop.store.atomic import build_folder\n"
        f"with build_folder(Path({str(tmp_path)!r}) / 'out') as f:\n"
        " (f / 'x').write_text('1'); print('in', flush=True); time.sleep(60)"
    )
    killed = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert killed.stdout is not None
    killed.stdout.readline()
    alive = make_beside(tmp_path / "out")
    assert len(list(tmp_path.iterdir())) == 2
    killed.kill()
    killed.wait()
    killed.stdout.close()
    with build_folder(tmp_path / "out"):
        pass
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([alive.name, "out"])
    assert str(os.getpid()) in alive.name
