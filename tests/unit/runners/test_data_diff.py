"""`voxloop data diff` on a real git repository with real DVC, and on plain folders."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.jobs.datasets import make_rows, write_dataset
from voxloop.data.difference import Difference
from voxloop.errors import InputError, VoxloopError
from voxloop.runners.data_diff import data_diff
from voxloop.settings import get_settings

pytestmark = pytest.mark.usefixtures("home")


def write_one(folder: Path) -> Path:
    return write_dataset(folder, make_rows({"train": ["a", "b"], "test": ["c"]}))


def write_two(folder: Path) -> Path:
    """Speaker b is gone, d is new, all anger of a has become happiness, c is no longer tested on."""
    rows = make_rows({"train": ["a", "c"], "test": ["d"]})
    for row in rows:
        if row["speaker_id"] == "a" and row["emotion"] == "anger":
            row["emotion"] = "happiness"
    return write_dataset(folder, rows)


def call(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def commit(folder: Path, message: str) -> None:
    call(folder, "git", "add", "-A")
    call(folder, "git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", message)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository: `one`, `same` (only the code changed), `two`, and at first `before` any data."""
    folder = tmp_path_factory.mktemp("repository")
    patch = pytest.MonkeyPatch()
    patch.setenv("DVC_NO_ANALYTICS", "1")
    patch.setenv("DVC_SITE_CACHE_DIR", str(folder.parent / "dvc-site"))
    dvc = (sys.executable, "-m", "dvc")
    call(folder, "git", "init", "-q")
    call(folder, *dvc, "init", "-q")
    commit(folder, "nothing yet")
    call(folder, "git", "tag", "before")
    for tag, write in (("one", write_one), ("same", None), ("two", write_two)):
        if write:
            shutil.rmtree(folder / "data" / "dataset", ignore_errors=True)
            write(folder / "data" / "dataset")
            call(folder, *dvc, "add", "-q", "data/dataset")
        (folder / "code.txt").write_text(tag, encoding="utf-8")
        commit(folder, tag)
        call(folder, "git", "tag", tag)
    patch.undo()
    return folder


@pytest.fixture
def repository(history: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("VOXLOOP_PROJECT_ROOT", str(history))
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(history.parent / "dvc-site"))
    get_settings.cache_clear()
    yield history
    monkeypatch.undo()
    get_settings.cache_clear()


def read_json(capsys: pytest.CaptureFixture[str]) -> Difference:
    return Difference.model_validate_json(capsys.readouterr().out)


def assert_is_the_change(difference: Difference) -> None:
    assert (difference.rows.before, difference.rows.after) == (18, 18)
    assert (difference.added, difference.removed, difference.moved) == (6, 6, 6)
    assert (difference.speakers_added, difference.speakers_removed) == (("d",), ("b",))
    assert difference.transitions == {"emotion": {"anger -> happiness": 1}}
    assert (difference.relabelled, difference.changed_audio) == (1, 0)
    assert difference.by_split["train"].relabelled == 1


def test_two_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = write_one(tmp_path / "one"), write_two(tmp_path / "two")
    data_diff(str(one), str(two), json=True)
    assert_is_the_change(read_json(capsys))


def test_two_revisions(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data_diff("one", "two", json=True)
    assert_is_the_change(read_json(capsys))
    assert not list((repository / "data").glob("revision*"))


def test_the_table_names_what_changed(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data_diff("one", "HEAD")
    text = capsys.readouterr().out
    assert "speakers added: d" in text
    assert "speakers removed: b" in text
    assert "anger -> happiness" in text
    assert "moved to another split" in text
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("revisions", [("one", "one"), ("one", "same")])
def test_nothing_changed(repository: Path, revisions: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    data_diff(*revisions)
    assert capsys.readouterr().out == f"nothing changed from {revisions[0]} to {revisions[1]}: 18 rows\n"


def test_a_stage_pins_its_data_in_dvc_lock(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(repository, copy)
    shutil.rmtree(copy / "data")
    (copy / "dvc.yaml").write_text(
        f"stages:\n  make:\n    cmd: mkdir -p data && cp -r {write_one(tmp_path / 'one')} data/dataset\n"
        "    outs: [data/dataset]\n",
        encoding="utf-8",
    )
    call(copy, sys.executable, "-m", "dvc", "repro", "-q")
    commit(copy, "a lineage")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOXLOOP_PROJECT_ROOT", str(copy))
        get_settings.cache_clear()
        data_diff("two", "HEAD", json=True)
    back: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (back["speakers_added"], back["speakers_removed"]) == (["b"], ["d"])


@pytest.mark.parametrize(
    ("before", "after", "path", "error"),
    [
        ("one", "nowhere", "data/dataset", "'nowhere' is neither a dataset folder nor a git revision"),
        ("one", "--output=x", "data/dataset", "is neither a dataset folder nor a git revision"),
        ("before", "one", "data/dataset", "data/dataset is not tracked by DVC at"),
        ("one", "two", "data/other", "data/other is not tracked by DVC at"),
        ("one", "two", "../elsewhere", "lies outside"),
    ],
)
def test_what_cannot_be_compared_is_named(repository: Path, before: str, after: str, path: str, error: str) -> None:
    with pytest.raises(InputError, match=error):
        data_diff(before, after, path=path)


def test_data_that_are_nowhere_any_more_are_named(repository: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(repository, copy)
    shutil.rmtree(copy / ".dvc" / "cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOXLOOP_PROJECT_ROOT", str(copy))
        get_settings.cache_clear()
        with pytest.raises(VoxloopError, match="the data must be in the cache or the remote"):
            data_diff("one", "two")


def test_beside_a_good_folder_the_other_one_is_named(tmp_path: Path) -> None:
    good = str(write_one(tmp_path / "good"))
    for pair in ((good, "nowhere"), ("nowhere", good)):
        with pytest.raises(InputError, match="^'nowhere' is no dataset folder"):
            data_diff(*pair)
