"""Bad input to `voxloop compare`: one line, exit code 2, nothing half-written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.contracts.one_line import assert_one_line, run_voxloop
from tests.unit.comparison.reports import make_report


@pytest.mark.parametrize(
    ("runs", "named"),
    [
        ([], "no run is named"),
        (["GOOD"], "GOOD' alone cannot be compared"),
        (["GOOD", "NOWHERE"], "NOWHERE'"),
        (["GOOD", "no-such-run"], "no run 'no-such-run'"),
        (["GOOD", "emotions/3"], "no run 'emotions/3'"),
        (["GOOD", "EMPTY"], "neither training.json nor result.json"),
        (["GOOD", "FILE"], "FILE is no run"),
        (["GOOD", "CUT"], "CUT/training.json is not JSON"),
        (["GOOD", "LESS"], "history: Field required"),
        (["GOOD", "RUN"], "train is not one of its steps"),
        (["GOOD", "TORN"], "TORN/result.json is not JSON"),
        (["GOOD", "OTHER"], "OTHER/result.json is no result of a run"),
        (["GOOD", "GOOD", "--out", "FULL"], "FULL already holds something"),
        (["GOOD", "CUT", "--out", "OUT"], "CUT/training.json"),
        (["GOOD", "GOOD", "--set", "settings.port=1"], "port"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_run_that_cannot_be_compared(tmp_path: Path, runs: list[str], named: str) -> None:
    report = make_report()
    less = {name: value for name, value in report.items() if name != "history"}
    made = {
        "GOOD/training.json": json.dumps(report),
        "CUT/training.json": json.dumps(report)[:99],
        "LESS/training.json": json.dumps(less),
        "RUN/result.json": json.dumps({"pipeline": "training", "runner": "local", "arguments": {}, "tasks": {}}),
        "TORN/result.json": "{",
        "OTHER/result.json": "{}",
        "EMPTY/notes.txt": "nothing",
        "FULL/precious.txt": "mine",
        "FILE": "a file",
    }
    for name, text in made.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    words = [str(tmp_path / word) if word.isupper() else word for word in runs]
    assert_one_line(run_voxloop(tmp_path, "compare", *words), named)
    assert not (tmp_path / "OUT").exists()
    assert [path.name for path in (tmp_path / "FULL").iterdir()] == ["precious.txt"]
