"""Families are found by name and hold what a family must."""

from __future__ import annotations

import subprocess
import sys

import pytest

from voxloop.errors import InputError
from voxloop.tasks import get_task, task_names


def test_a_family_is_found_by_its_name() -> None:
    task = get_task("emotion")
    assert task.NAME == "emotion"
    assert task.REQUEST.as_json()["outputs"] == [
        {"name": "probabilities", "dtype": "float32", "shape": ["batch", len(task.LABELS)]}
    ]


def test_an_unknown_family_is_named_with_the_choices() -> None:
    with pytest.raises(InputError, match=r"no task 'emotoin'; the tasks are emotion"):
        get_task("emotoin")


@pytest.mark.parametrize(
    "member", ["TARGET", "LABELS", "REQUEST", "Config", "build_network", "answer", "loss", "decode"]
)
def test_every_family_holds_what_a_family_must(member: str) -> None:
    for name in task_names():
        assert hasattr(get_task(name), member)


def test_naming_the_families_loads_none() -> None:
    code = "import sys, voxloop.tasks as t; t.task_names(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
