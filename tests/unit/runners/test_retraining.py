from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from voxloop.runners.retraining import describe_outcome, run_folder, training_arguments
from voxloop.settings import Settings


def test_what_is_null_is_left_to_the_file_of_arguments() -> None:
    params = {"arguments": "dev", "task": None, "config": "small", "overrides": ["a=1", "b='x'"], "bootstrap": False}
    argv = training_arguments(params, Path("/out"))
    assert argv[:6] == ["run", "training", "--config", "dev", "--out", "/out"]
    assert argv[6::2] == ["--set"] * 3
    values = dict(item.split("=", 1) for item in argv[7::2])
    read = {key: yaml.safe_load(value) for key, value in values.items()}
    assert read == {"config": "small", "overrides": ["a=1", "b='x'"], "bootstrap": False}


@pytest.mark.parametrize("text", ["1e-3", "yes", "null", "[a]", "a: b", "", "ü\n"])
def test_text_stays_text(text: str) -> None:
    item = training_arguments({"arguments": "local", "because": text}, Path("/out"))[-1]
    assert yaml.safe_load(item.removeprefix("because=")) == text


def test_a_run_has_a_folder_of_its_own(settings: Settings) -> None:
    folder = run_folder("scheduled__2026-01-02T02:00:00+00:00")
    assert folder == settings.home / "runs" / "scheduled__2026-01-02T02-00-00-00-00"
    assert run_folder("../../etc").parent == settings.home / "runs"


def test_what_passed_during_a_freeze_waits_for_its_end() -> None:
    outcome = {"folder": "/out", "data_verdicts": {}, "version": 3, "verdict": "PASS"}
    assert describe_outcome(outcome, "emotion is frozen").endswith("before the end of the freeze: emotion is frozen")


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ({"version": 3, "verdict": "PASS"}, "version 3 passed the gate"),
        ({"version": None, "verdict": "CANNOT_TELL"}, "the gate says CANNOT_TELL; the reasons are under /out"),
        ({"version": None, "verdict": None, "data_verdicts": {"validate": "FAIL"}}, "validate says FAIL"),
        (
            {"version": None, "verdict": None, "data_verdicts": {"validate": "PASS", "leakage": "FAIL"}},
            "r: leakage says F",
        ),
        ({"version": None, "verdict": None}, "nothing was judged"),
    ],
)
def test_the_outcome_in_words(outcome: dict[str, object], said: str) -> None:
    assert said in describe_outcome({"folder": "/out", "data_verdicts": {}, **outcome})
