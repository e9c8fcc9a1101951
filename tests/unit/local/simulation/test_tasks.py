"""What the DAGs' tasks run without a scheduler: in turn, until one hands nothing on, and each ending told."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from voxloop.errors import VoxloopError
from voxloop.local.simulation import acts as acts_module
from voxloop.local.simulation.acts import Acts
from voxloop.settings import Settings

WATCHED = {"watch": {"said": "emotion: RETRAIN: so"}, "decide": {"said": "emotion: WAIT: so"}}


@pytest.fixture
def acts(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Acts:
    monkeypatch.setattr(acts_module, "AGAIN_SECONDS", 0.0)
    return Acts(settings, "emotion", tmp_path / "acts.log")


def answer(monkeypatch: pytest.MonkeyPatch, acts: Acts, *lines: object) -> list[tuple[str, ...]]:
    """Have one process after the other print these last lines."""
    asked: list[tuple[str, ...]] = []
    left = [one if isinstance(one, str) else json.dumps(one) for one in lines]

    def run(*tokens: str) -> tuple[int, list[str]]:
        asked.append(tokens)
        return 0, ["$ voxloop", left.pop(0)]

    monkeypatch.setattr(acts, "_run", run)
    return asked


def test_what_may_succeed_another_time_is_tried_again(acts: Acts, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = {"watch": {"failed": "MLflow is away", "again": True}}
    asked = answer(monkeypatch, acts, failed, failed, WATCHED)
    assert acts.do_all(("watch", "decide")) == WATCHED
    assert asked == [("-m", "voxloop.local.simulation.tasks", "watch,decide", "emotion")] * 3


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([{"watch": {"failed": "no reference", "again": False}}], "no reference"),
        ([{"watch": {"failed": "away", "again": True}}] * 3, "away"),
        (["Traceback: died"], "Traceback: died"),
        (["[1, 2]"], "1, 2"),
    ],
)
def test_what_failed_for_good_is_told_with_its_log(
    acts: Acts, monkeypatch: pytest.MonkeyPatch, lines: list[Any], told: str
) -> None:
    asked = answer(monkeypatch, acts, *lines)
    with pytest.raises(VoxloopError, match=told) as failed:
        acts.do("watch")
    assert "acts.log" in failed.value.remedy
    assert len(asked) == len(lines)


def test_a_family_without_a_reference_is_skipped_as_by_its_dag(settings: Settings, tmp_path: Path) -> None:
    acts = Acts(settings, "emotion", tmp_path / "acts.log")
    ended = acts.do_all(("watch", "decide", "retrain"))
    assert list(ended) == ["watch"]
    assert "emotion has no reference" in ended["watch"]["skipped"]
    assert sys.executable not in (tmp_path / "acts.log").read_text()
