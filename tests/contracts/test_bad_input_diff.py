"""Bad input to `voxloop poison` and `voxloop data diff`: one line, exit code 2, nothing half-written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.one_line import assert_one_line, run_voxloop
from tests.unit.jobs.datasets import make_rows, write_dataset


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (["poison", "NOWHERE", "OUT"], "NOWHERE is not a dataset"),
        (["poison", "EMPTY", "OUT"], "EMPTY is not a dataset"),
        (["poison", "DATA", "OUT", "--task", "emotions"], "the choices are asr, emotion, emotion-nemo, personality"),
        (["poison", "DATA", "OUT", "--set", "alfa=0.1"], "did you mean 'alpha'"),
        (["poison", "DATA", "OUT", "--set", "alpha=2"], "alpha = 2"),
        (["poison", "DATA", "FULL"], "FULL already holds something"),
        (["data", "diff", "DATA", "NOWHERE"], "is no dataset folder"),
        (["data", "diff", "EMPTY", "EMPTY"], "neither a dataset folder nor a git revision"),
        (["data", "diff", "HEAD", "no-such-revision"], "'no-such-revision'"),
        (["data", "diff", "HEAD", "HEAD", "--path", "data/nowhere"], "data/nowhere is not tracked by DVC"),
        (["data", "diff", "HEAD", "HEAD", "--path", "/"], "lies outside"),
        (["data", "diff", "HEAD"], "--after requires an argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_command_that_is_wrong(tmp_path: Path, command: list[str], named: str) -> None:
    write_dataset(tmp_path / "DATA", make_rows({"train": ["a"]}))
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "FULL").mkdir()
    (tmp_path / "FULL" / "precious.txt").write_text("mine", encoding="utf-8")
    places = {"DATA", "EMPTY", "FULL", "NOWHERE"}
    words = [
        str(tmp_path / word) if word in places else str(tmp_path / "o" / "x") if word == "OUT" else word
        for word in command
    ]
    assert_one_line(run_voxloop(tmp_path, *words), named)
    assert list(tmp_path.glob("o/*")) == []
    assert [path.name for path in (tmp_path / "FULL").iterdir()] == ["precious.txt"]
