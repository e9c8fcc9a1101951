"""The table, the line of JSON, and the end of the command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from voxloop.config import find_config, load_config
from voxloop.errors import InputError, RefusedError, VoxloopError
from voxloop.evaluation.policy import GatePolicy
from voxloop.jobs import selftest as job
from voxloop.selftest.bench import Bench
from voxloop.selftest.challenge import Challenge
from voxloop.selftest.config import Expectation, SelfTestConfig
from voxloop.selftest.report import NotTold, as_json, as_lines, is_green
from voxloop.selftest.trial import Outcome, collect_evidence, judge_fault
from voxloop.settings import Settings
from voxloop.verdict import Verdict

CAUGHT = Outcome("NaN weights", "emotion", 1, Verdict.CANNOT_TELL, "not finite", good=True, is_control=False)
MISSED = replace(CAUGHT, seed=2, verdict=Verdict.PASS, reason="no objection", good=False)
PASSED = Outcome("equal", "emotion", 1, Verdict.PASS, "no objection", good=True, is_control=True)
CRASHED = NotTold.of("emotion", 3, ValueError("no such\nnode"))


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


def test_what_crashed_is_named_beside_the_figures_of_the_others() -> None:
    told = json.loads(as_json([CAUGHT, PASSED], [CRASHED]))
    assert (told["green"], told["kill_rate"], told["seeds"]) == (False, 1.0, 2)
    assert told["not_told"] == [{"task": "emotion", "seed": 3, "error": "ValueError: no such node"}]
    line = as_lines([CAUGHT, PASSED], [CRASHED])[-1]
    assert line.split(maxsplit=6) == ["emotion", "seed", "3", "none", "NOT", "TOLD", "ValueError: no such node"]
    assert not is_green([CAUGHT, PASSED], [CRASHED])
    assert json.loads(as_json([CAUGHT, PASSED]))["green"] is True


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


@pytest.mark.parametrize(
    ("crash", "code"), [(ValueError("no such node"), 1), (RefusedError("changes", remedy="commit them"), 3)]
)
def test_a_seed_that_crashes_is_red_and_loses_no_other_seed(
    crash: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    def attempt(task: str, seed: int, _configs: object) -> list[Outcome]:
        if seed == 2:
            raise crash
        return [replace(one, task=task, seed=seed) for one in (CAUGHT, PASSED)]

    monkeypatch.setattr(job, "_try", attempt)
    with pytest.raises(VoxloopError, match="emotion, seed 2: not told: ") as failed:
        job.selftest(task="emotion", seeds=3, as_json=True)
    assert (failed.value.exit_code, failed.value.__cause__) == (code, crash)
    lines = capsys.readouterr().out.splitlines()
    last = json.loads(lines[-1])
    assert (last["kill_rate"], last["seeds"], [one["seed"] for one in last["not_told"]]) == (1.0, 3, [2])
    done = [line.split(";")[0] for line in lines if " is done: " in line]
    assert done[0] == "selftest emotion seed 1 is done: 1 of 1 killed, 1 of 1 controls passed"
    assert done[1].startswith("selftest emotion seed 2 is done: NOT TOLD, ")
    assert len(done) == 3


def test_a_fault_that_got_away_is_named_before_a_seed_that_crashed(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    def attempt(_task: str, seed: int, _configs: object) -> list[Outcome]:
        if seed == 1:
            raise RefusedError("changes", remedy="commit them")
        return [MISSED, PASSED]

    monkeypatch.setattr(job, "_try", attempt)
    with pytest.raises(VoxloopError, match="the fault was not caught") as failed:
        job.selftest(task="emotion", seeds=2)
    assert failed.value.exit_code == 1


def test_a_seed_whose_bench_cannot_be_made_is_not_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    def break_down(*_arguments: object) -> None:
        raise ValueError("no world")

    monkeypatch.setattr("voxloop.selftest.suite.prepare_bench", break_down)
    with pytest.raises(VoxloopError, match="not told: ValueError: no world"):
        job.selftest(task="personality", as_json=True)
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["kill_rate"], last["green"], list(last["tasks"])) == (None, False, ["personality"])


def test_a_candidate_that_cannot_be_made_is_missed_and_named(tmp_path: Path) -> None:
    def break_down(_bench: Bench, _folder: Path) -> Challenge:
        raise KeyError("words")

    config = load_config(SelfTestConfig, find_config("selftest", "emotion"))
    policy = load_config(GatePolicy, find_config("gates", "emotion"))
    evidence = collect_evidence("broken", break_down, Bench("emotion", 1, config, policy, tmp_path))
    outcome = judge_fault(evidence, policy, Expectation(rule="limit", measure="uar"))
    assert (outcome.good, outcome.verdict, outcome.reason) == (False, None, "KeyError: 'words'")


def test_nothing_tried_is_not_green(found: list[Outcome]) -> None:
    found.clear()
    with pytest.raises(VoxloopError, match="tried nothing"):
        job.selftest(task="emotion")


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(InputError, match="no task 'chess'"):
        job.selftest(task="chess")


def test_the_runbook_that_the_error_names_is_there() -> None:
    assert (Path(__file__).resolve().parents[3] / "docs" / "runbooks" / "gate_selftest.md").is_file()
