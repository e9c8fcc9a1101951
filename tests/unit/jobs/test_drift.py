"""`voxloop drift`, on a prediction log on disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.unit.monitoring.drift.logs import DAY, HOUR, make_rows, write_rows
from voxloop.cli import run_command
from voxloop.ledger.acts import record_judgement
from voxloop.ledger.book import open_ledger
from voxloop.monitoring.retraining import NIGHT, Attempt, Reason
from voxloop.monitoring.retraining_acts import begin_attempt, claim, end_attempt
from voxloop.release.registrations import record_registration
from voxloop.release.versions import MODEL_DIGEST, ModelVersion
from voxloop.settings import Settings
from voxloop.verdict import Verdict

NOON = DAY + 12 * HOUR
QUICK = ["--set", "check.draws=200"]
MAKE = ["drift", "emotion", "--make-reference", "--since", "2026-11-28", "--until", "2026-11-29", *QUICK]
WATCH = ["drift", "emotion", "--at", (NOON + timedelta(minutes=5)).isoformat(), *QUICK]


@pytest.fixture
def log(settings: Settings) -> Settings:
    """A day's reference, and six hours of which the last three have three deviations less noise."""
    for hour in range(3):
        write_rows(settings.predictions, make_rows(DAY - (3 - hour) * HOUR, speakers=60, each=12, seed=hour))
    for hour in range(6):
        shift = 3.0 if hour >= 3 else 0.0
        rows = make_rows(NOON - (6 - hour) * HOUR, speakers=20, each=15, seed=10 + hour, shift=shift)
        write_rows(settings.predictions, rows, 10 + hour)
    assert run_command(MAKE) == 0
    return settings


def report(settings: Settings) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((settings.drift / "emotion" / "report.json").read_text())
    return read


def test_three_drifted_windows_ask_for_a_retraining(log: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run_command(WATCH) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in told[-4:-1]] == [
        f"2026-11-29 {hour:02}:00 to {hour + 1:02}:00 DRIFT" for hour in (9, 10, 11)
    ]
    assert told[-1] == "emotion: RETRAIN: 3 of the last 6 windows have drifted, of 3 at least (6 were judged)"
    first = report(log)
    assert [window["outcome"] for window in first["windows"]] == ["NO_DRIFT"] * 3 + ["DRIFT"] * 3
    assert any("of snr_db is" in reason for reason in first["windows"][-1]["reasons"])
    assert first["windows"][-1]["rows"] == 300
    assert first["windows"][-1]["held_against"] == "the whole reference"
    assert first["reference"] == {
        "since": "2026-11-28T00:00:00+00:00",
        "until": "2026-11-29T00:00:00+00:00",
        "speakers": 180,
        "rows": 2160,
        "season": {"by": "none", "zone": "UTC"},
    }
    assert first["decision"]["is_triggered"] is True
    assert first["decision"]["episode"] == "2026-11-29T09:00+00:00"
    assert run_command(WATCH) == 0
    assert report(log) == first


def claim_one(log: Settings, at: datetime, task: str = "emotion") -> Attempt:
    """Claim a retraining, and begin its first attempt."""
    reason = Reason(task, NIGHT, f"{at:%Y-%m-%d}")
    claim(open_ledger(log), reason, bound={"arguments": {}, "data": None}, because="the night", at=at)
    return begin_attempt(open_ledger(log), reason.retrain_id, code="c", at=at)


def register_one(log: Settings, at: datetime) -> None:
    """Register a model that an experiment made."""
    version = ModelVersion("emotion", 1, "r1", {MODEL_DIGEST: "a" * 64})
    record_registration(open_ledger(log), version, trained_by=(), at=at)


ENDINGS: dict[str, Callable[[Settings, datetime], object]] = {
    "claimed": claim_one,
    "failed for its data": lambda log, at: end_attempt(
        open_ledger(log), claim_one(log, at - 30 * HOUR), {"error": "the corpus was changed"}, at=at
    ),
    "judged": lambda log, at: end_attempt(
        open_ledger(log), claim_one(log, at - 30 * HOUR), {"data_verdict": "FAIL", "verdict": None}, at=at
    ),
    "registered without a reason": register_one,
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_none_is_asked_for_just_after_a_retraining(
    log: Settings, ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ENDINGS[ending](log, NOON - 5 * HOUR)
    claim_one(log, NOON, task="asr")
    assert run_command(WATCH) == 0
    assert "emotion: WAIT: the last retraining was at 2026-11-29T07:00:00" in capsys.readouterr().out
    assert run_command([*WATCH, "--set", "cool_down_hours=1"]) == 0
    assert "emotion: RETRAIN: 3 of the last 6 windows have drifted, of 3 at least (5 were judged)" in (
        capsys.readouterr().out
    )


def test_a_judgement_without_a_reason_is_no_retraining(log: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    at = NOON - HOUR
    record_judgement(open_ledger(log), task="emotion", model="a" * 64, verdict=Verdict.FAIL, evidence={}, at=at)
    assert run_command(WATCH) == 0
    assert "emotion: RETRAIN" in capsys.readouterr().out


def test_an_hour_later_nothing_can_be_told_and_nothing_is_asked_for(log: Settings) -> None:
    assert run_command(["drift", "emotion", "--at", (NOON + 1.5 * HOUR).isoformat(), *QUICK]) == 0
    assert report(log)["windows"][-1]["outcome"] == "CANNOT_TELL"
    assert report(log)["windows"][-1]["reasons"][0] == "there are no rows"
    assert report(log)["decision"]["is_triggered"] is False
    assert report(log)["decision"]["reasons"] == ["the latest window is CANNOT_TELL"]


def test_a_window_that_is_part_of_the_reference_cannot_be_told(log: Settings) -> None:
    assert run_command(["drift", "emotion", "--at", (DAY + HOUR / 2).isoformat(), *QUICK]) == 0
    assert all("it is part of the reference" in window["reasons"] for window in report(log)["windows"])


BY_HOUR = ["--set", "season.by=hour_of_day", "--set", "season.zone=Europe/Warsaw"]
FEW = ["--set", "check.least_reference_speakers=50"]


@pytest.fixture
def seasonal(log: Settings, capsys: pytest.CaptureFixture[str]) -> Settings:
    """A reference by the hour of Warsaw, where those of the log are 22:00, 23:00 and 00:00, and windows of these hours."""
    for hour in range(3):
        rows = make_rows(
            DAY + (21 + hour) * HOUR, speakers=20, each=15, seed=30 + hour, shift=3.0 if hour == 1 else 0.0
        )
        write_rows(log.predictions, rows, 30 + hour)
    capsys.readouterr()
    assert run_command([*MAKE, *BY_HOUR, *FEW]) == 0
    told = capsys.readouterr().out
    assert "kept by hour_of_day (Europe/Warsaw), in 24 slots" in told
    assert "fewer than 50 speakers, cannot_tell: 01:00, 02:00, 03:00" in told
    return log


def watch_by(at: datetime, *changes: str) -> int:
    return run_command(["drift", "emotion", "--at", (at + timedelta(minutes=5)).isoformat(), *QUICK, *FEW, *changes])


def test_each_hour_is_held_against_its_own(seasonal: Settings) -> None:
    assert watch_by(DAY + 24 * HOUR, *BY_HOUR) == 0
    told = report(seasonal)
    assert told["reference"]["season"] == {"by": "hour_of_day", "zone": "Europe/Warsaw"}
    assert [window["held_against"] for window in told["windows"][-3:]] == ["22:00", "23:00", "00:00"]
    assert [window["outcome"] for window in told["windows"]] == ["CANNOT_TELL"] * 3 + ["NO_DRIFT", "DRIFT", "NO_DRIFT"]
    assert "0 speakers in the reference of 19:00, of 50 at least" in told["windows"][0]["reasons"]


def test_an_hour_nobody_called_in_is_held_against_all_only_where_the_policy_says_so(seasonal: Settings) -> None:
    assert watch_by(NOON, *BY_HOUR) == 0
    assert {window["outcome"] for window in report(seasonal)["windows"]} == {"CANNOT_TELL"}
    assert report(seasonal)["decision"]["is_triggered"] is False
    assert watch_by(NOON, *BY_HOUR, "--set", "season.thin_slots=whole_reference") == 0
    latest = report(seasonal)["windows"][-1]
    assert (latest["outcome"], latest["held_against"]) == ("DRIFT", "the whole reference")
    assert (
        latest["reasons"][-1]
        == "0 speakers in the reference of 12:00, of 50 at least: held against the whole reference"
    )


def test_a_policy_without_a_season_takes_all_of_the_reference_and_another_season_is_refused(
    seasonal: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert watch_by(NOON) == 0
    without = report(seasonal)
    assert run_command([*MAKE, *FEW]) == 0
    assert watch_by(NOON) == 0
    again = report(seasonal)
    assert again["windows"] == without["windows"]
    capsys.readouterr()
    assert watch_by(NOON, *BY_HOUR) == 2
    assert "the reference of emotion is kept by none (UTC)" in capsys.readouterr().err
    assert report(seasonal) == again


@pytest.mark.parametrize(
    ("command", "code", "named"),
    [
        (["drift", "opera"], 2, "opera"),
        (["drift", "emotion"], 2, "--make-reference"),
        (["drift", "emotion", "--at", "noon"], 2, "--at 'noon'"),
        (["drift", "emotion", "--since", "2026-11-28"], 2, "--since"),
        (["drift", "emotion", "--make-reference"], 2, "--since 2026-11-01"),
        ([*MAKE[:-2], "--at", "2026-11-29"], 2, "--at"),
        ([*MAKE[:4], "2026-11-29", "--until", "2026-11-28"], 2, "a window from"),
        ([*MAKE[:4], "2026-11-29", "--until", "2999-11-28"], 2, "not over yet"),
        ([*MAKE], 3, "there are no rows"),
        ([*MAKE, "--set", "drifted=9"], 2, "9 drifted windows"),
        ([*MAKE, "--set", "driftd=9"], 2, "did you mean 'drifted'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    settings: Settings, command: list[str], code: int, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(command) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line
    assert not settings.drift.exists()
