"""The table, the line of JSON, and the end of the command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from voxloop.errors import InputError, VoxloopError
from voxloop.jobs import selftest as job
from voxloop.selftest.report import as_json, as_lines, is_green
from voxloop.selftest.trial import Outcome
from voxloop.settings import Settings
from voxloop.verdict import Verdict

CAUGHT = Outcome("NaN weights", "emotion", 1, Verdict.CANNOT_TELL, "not finite", good=True, is_control=False)
MISSED = replace(CAUGHT, seed=2, verdict=Verdict.PASS, reason="no objection", good=False)
PASSED = Outcome("equal", "emotion", 1, Verdict.PASS, "no objection", good=True, is_control=True)


@pytest.mark.parametrize(
    ("outcomes", "green"),
    [
        ([CAUGHT, PASSED], True),
        ([CAUGHT, MISSED, PASSED], False),
        ([CAUGHT, replace(PASSED, good=False)], False),
        ([CAUGHT], False),
        ([PASSED], False),
        ([], False),
    ],
)
def test_green_is_every_fault_caught_and_every_control_passed_and_both_there(
    outcomes: list[Outcome], green: bool
) -> None:
    assert is_green(outcomes) is green


def test_the_json_is_one_line_with_a_rate_for_each_fault() -> None:
    text = as_json([CAUGHT, MISSED, PASSED])
    found = json.loads(text)
    assert "\n" not in text
    assert (found["kill_rate"], found["control_pass_rate"], found["seeds"]) == (0.5, 1.0, 2)
    assert found["faults"] == {"NaN weights": 0.5}
    assert found["controls"] == found["tasks"]["emotion"]["controls"] == {"equal": 1.0}


def test_the_table_shows_the_one_that_got_away() -> None:
    _, fault, control = as_lines([CAUGHT, MISSED, PASSED])
    assert fault.split()[:6] == ["emotion", "NaN", "weights", "PASS", "1", "of"]
    assert "no objection" in fault
    assert control.split()[2:4] == ["PASS", "passed"]
    assert "STUCK" in as_lines([replace(PASSED, good=False)])[1]


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> list[Outcome]:
    """What the command finds for each family and seed."""
    outcomes = [CAUGHT, PASSED]
    monkeypatch.setattr(
        job, "_try", lambda task, seed, _configs: [replace(one, task=task, seed=seed) for one in outcomes]
    )
    return outcomes


def test_the_command_ends_with_the_line(found: list[Outcome], capsys: pytest.CaptureFixture[str]) -> None:
    job.selftest(seeds=2, as_json=True)
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["kill_rate"], last["seeds"], sorted(last["tasks"])) == (1.0, 2, ["asr", "emotion", "personality"])


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (MISSED, "the fault was not caught for its reason: NaN weights"),
        (replace(PASSED, good=False), "the control did not pass: equal"),
    ],
)
def test_the_command_fails_after_it_has_printed(
    found: list[Outcome], bad: Outcome, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found.append(bad)
    with pytest.raises(VoxloopError, match=told) as failed:
        job.selftest(task="emotion", as_json=True)
    assert failed.value.exit_code == 1
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["tasks"].keys() == {"emotion"}


def test_nothing_tried_is_not_green(found: list[Outcome]) -> None:
    found.clear()
    with pytest.raises(VoxloopError, match="tried nothing"):
        job.selftest(task="emotion")


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(InputError, match="no task 'chess'"):
        job.selftest(task="chess")


def test_the_runbook_that_the_error_names_is_there() -> None:
    assert (Path(__file__).resolve().parents[3] / "docs" / "runbooks" / "gate_selftest.md").is_file()
