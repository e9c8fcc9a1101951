from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from voxloop.errors import InputError
from voxloop.runners.nightly_retraining import describe_outcome, retraining_arguments, run_folder, training_arguments
from voxloop.settings import Settings

MOMENT = datetime(2026, 1, 2, 2, tzinfo=UTC)


def test_what_is_null_is_left_to_the_file_of_arguments() -> None:
    params = {"arguments": "dev", "task": None, "config": "small", "overrides": ["a=1", "b='x'"], "bootstrap": False}
    argv = training_arguments(params, Path("/out"))
    assert argv[:6] == ["run", "training", "--out", "/out", "--config", "dev"]
    assert argv[6::2] == ["--set"] * 3
    values = dict(item.split("=", 1) for item in argv[7::2])
    read = {key: yaml.safe_load(value) for key, value in values.items()}
    assert read == {"config": "small", "overrides": ["a=1", "b='x'"], "bootstrap": False}


@pytest.mark.parametrize(
    ("run_id", "kind", "episode"),
    [
        ("scheduled__2026-01-02T02:00:00+00:00", "night", "2026-01-02T02:00:00+00:00"),
        ("backfill__2026-01-02T02:00:00+00:00", "night", "2026-01-02T02:00:00+00:00"),
        ("manual__2026-01-02T02:00:00+00:00", "asked", "manual__2026-01-02T02:00:00+00:00"),
        ("demo-night-two", "asked", "demo-night-two"),
        ("scheduled__", "asked", "scheduled__"),
        ("drift__asr__2026-01-02T09:00+00:00", "drift", "asr__2026-01-02T09:00+00:00"),
    ],
)
def test_a_night_is_one_reason_however_it_comes_to_run(run_id: str, kind: str, episode: str) -> None:
    argv = retraining_arguments({"arguments": "dev", "task": "asr"}, run_id)
    assert argv == ["retrain", "--kind", kind, "--episode", episode, "--config", "dev", "--set", 'task="asr"']


@pytest.mark.parametrize(
    ("run_id", "bound"),
    [("scheduled__a", True), ("backfill__a", True), ("manual__a", False), ("drift__asr__nine", False), ("mine", False)],
)
def test_a_night_learns_from_what_was_recorded_before_its_data_interval_ends(run_id: str, bound: bool) -> None:
    argv = retraining_arguments({"arguments": "dev"}, run_id, MOMENT)
    assert argv[-2:] == (["--set", 'recorded_before="2026-01-02T02:00:00+00:00"'] if bound else ["--config", "dev"])


def test_changes_go_before_the_parameters_and_what_is_null_is_left_to_the_file() -> None:
    params = {"arguments": "dev", "task": "asr", "reason": None, "changes": {"config": "small", "policy": None}}
    assert retraining_arguments(params, "mine")[5:] == [
        *("--config", "dev", "--set", 'task="asr"', "--set", 'config="small"'),
    ]
    bound = retraining_arguments({"arguments": "dev", "changes": {"recorded_before": ""}}, "scheduled__a", MOMENT)
    assert bound[-2:] == ["--set", 'recorded_before=""'], "asked for by name, a night learns from all there is"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"settings.home": "/tmp/x"}, "a change of 'settings.home'; what a run changes are arguments"),
        ({"overrides.0": "a=1"}, "a change of 'overrides.0'"),
        ({"a=b": 1}, "a change of 'a=b'"),
        ({"task": "asr"}, "changes holds 'task'; task has a field of its own; leave it out of changes"),
        ({"retrain_id": "x"}, "changes holds 'retrain_id'; retrain_id is given by the retraining"),
        (["config=small"], "it is an object"),
    ],
)
def test_what_no_run_may_change_is_refused(changes: object, said: str) -> None:
    params = {"arguments": "local", "changes": changes}
    with pytest.raises(InputError, match=re.escape(said)):
        retraining_arguments(params, "mine")
    with pytest.raises(InputError):
        training_arguments(params, Path("/out"))


def test_why_stands_in_the_ledger_and_is_no_argument_of_the_pipeline() -> None:
    argv = retraining_arguments({"arguments": "dev", "reason": "drift since nine"}, "drift__asr__nine")
    assert argv == ["retrain", "--kind", "drift", "--episode", "asr__nine", "--because", "drift since nine", *argv[-2:]]
    assert argv[-2:] == ["--config", "dev"]


def test_whose_hand_started_a_run_is_told_and_a_schedule_s_is_nobody_s() -> None:
    params, run_id = {"arguments": "dev", "reason": "new microphones"}, "manual__a"
    argv = retraining_arguments(params, run_id, None, "-tim")
    assert argv[3:8] == ["--episode", run_id, "--because", "new microphones", "--asked-by=-tim"]
    assert retraining_arguments(params, run_id, None, None) == [*argv[:7], *argv[8:]]


@pytest.mark.parametrize("text", ["1e-3", "yes", "null", "[a]", "a: b", "", "ü\n"])
def test_text_stays_text(text: str) -> None:
    item = training_arguments({"arguments": "local", "because": text}, Path("/out"))[-1]
    assert yaml.safe_load(item.removeprefix("because=")) == text


def test_a_run_has_a_folder_of_its_own(settings: Settings) -> None:
    folder = run_folder("scheduled__2026-01-02T02:00:00+00:00")
    assert folder == settings.home / "runs" / "scheduled__2026-01-02T02-00-00-00-00"
    assert run_folder("../../etc").parent == settings.home / "runs"


def test_what_passed_during_a_freeze_waits_for_its_end() -> None:
    outcome = {"folder": "/out", "data_verdicts": {}, "task": "emotion", "version": 3, "verdict": "PASS"}
    assert describe_outcome(outcome, "emotion is frozen").endswith("before the end of the freeze: emotion is frozen")


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ({"version": 3, "verdict": "PASS"}, "waits for an approver: http://127.0.0.1:"),
        ({"version": 3, "verdict": "PASS"}, "/#/models/asr/versions/3"),
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
    assert said in describe_outcome({"folder": "/out", "task": "asr", "data_verdicts": {}, **outcome})
