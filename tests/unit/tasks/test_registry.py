"""Families are found by name and hold what a family must."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from voxloop.errors import InputError
from voxloop.tasks import Task, get_task, task_names

MEMBERS = sorted({*Task.__annotations__, *(name for name in vars(Task) if not name.startswith("_"))})


def test_a_family_is_found_by_its_name() -> None:
    task = get_task("emotion")
    assert task.NAME == "emotion"
    encoding = task.Encoding(labels=("anger", "neutral"), weights=(1.0, 1.0))
    assert task.request(encoding).as_json()["outputs"] == [
        {"name": "probabilities", "dtype": "float32", "shape": ["batch", 2]}
    ]


def test_an_unknown_family_is_named_with_the_choices() -> None:
    with pytest.raises(InputError, match=r"no task 'emotoin'; the tasks are .*emotion"):
        get_task("emotoin")


@pytest.mark.parametrize("member", MEMBERS)
def test_every_family_holds_what_a_family_must(member: str) -> None:
    assert "emotion" in task_names()
    for name in task_names():
        assert hasattr(get_task(name), member), name


def test_every_family_is_named_as_its_file() -> None:
    assert [get_task(name).NAME for name in task_names()] == task_names()


def test_naming_the_families_loads_none() -> None:
    code = "import sys, voxloop.tasks as t; t.task_names(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_file_that_looks_like_a_family_is_one() -> None:
    import voxloop.tasks

    folder = Path(voxloop.tasks.__file__).parent
    named = [path.stem for path in folder.glob("*.py") if "\nNAME = " in path.read_text(encoding="utf-8")]
    assert sorted(named) == task_names()
