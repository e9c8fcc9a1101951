"""The score of a simulation: each promise is seen kept where it was, and broken where it was not."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from voxloop.local.simulation.config import PromiseConfig
from voxloop.local.simulation.page import write_page
from voxloop.local.simulation.report import build_report, summarise
from voxloop.local.simulation.scenario import Decoy, DecoyKind, Drift, Scenario
from voxloop.local.simulation.score import measure_uar

PROMISES = PromiseConfig(won_back=0.8, stays_down=0.5)
SCENARIO = Scenario(7, (4, 20), (Drift("noise", 4.0, 8),), (Decoy(DecoyKind.LOUD_HOUR, 5, 6),), (8,))
SETS = [[0.75, 0.74], [0.35, 0.71]]
"""Quality of version 1 and 2 on the set of before and on that of the drift: 0.36 of 0.40 won back."""


def window(number: int, **also: Any) -> dict[str, Any]:
    scores = {"outcome": "NO_DRIFT", "share": 0.5, "column": "PSI of snr_db", "rows": 104}
    said = {"watch": "emotion: WAIT: few", "scores": scores, "decision": "emotion: WAIT: few"}
    start = f"2026-12-0{1 + number // 4}T00:00:00+00:00"
    return {"number": number, "start": start, "talk": {"asked": 104, "answered": 104}, **said, **also}


TRAINED = {
    "watch": "emotion: RETRAIN: 3 of 6",
    "decision": "emotion: RETRAIN: 3 of 6",
    "retraining": {"version": 2, "seconds": 180.0},
}
WAITED = {"watch": "emotion: RETRAIN: 3 of 6", "decision": "emotion: LABEL_MORE: 0 hours"}
SKIPPED = {"watch": "emotion: RETRAIN: 3 of 6", "decision": "emotion: RETRAIN: 3", "retraining": {"skipped": "old"}}


def report(changed: dict[int, dict[str, Any]], *, sets: Any = SETS, recovers: float = 0.0) -> dict[str, Any]:
    models = [{"version": 1, "digest": "a", "run_id": "r1", "window": None, "at": "2026-11-30"}]
    models += [
        {"version": 2, "digest": "b", "run_id": "r2", "window": number, "at": "2026-12-03"}
        for number, said in changed.items()
        if said.get("retraining", {}).get("version") and said["retraining"].get("promoted", True)
    ]
    journal = {
        "windows": [window(number, **changed.get(number, {})) for number in range(20)],
        "models": models,
        "sets": [{"name": "batch-00", "at": "2026-11-30"}, {"name": "batch-01", "at": "2026-12-03"}],
    }
    unattended = [0.75 if number < 8 else 0.35 if number < 12 else 0.35 + recovers for number in range(20)]
    windows = [
        {"window": number, "served": 0.7, "unattended": one, "rows": 104, "unanswered": 0, "models": ["a"]}
        for number, one in enumerate(unattended)
    ]
    return build_report(SCENARIO, PROMISES, journal, windows, [scores[: len(models)] for scores in sets], 2.0)


def test_a_drift_that_is_answered_once_and_won_back_holds() -> None:
    said = report({10: TRAINED})
    assert said["holds"]
    (drift,) = said["drifts"]
    assert drift["won_back"] == pytest.approx(0.9)
    assert (drift["answer"], drift["won_back_is"], drift["unattended_is"]) == ("kept", "kept", "kept")
    assert said["cost"] == pytest.approx({"hours": 0.05, "price_per_hour": 2.0, "cost": 0.1})
    assert "1 of 1 drifts answered, 1 promotions, 0 of 1 decoys fired" in summarise(said)


@pytest.mark.parametrize(
    ("changed", "sets", "recovers", "broken"),
    [
        ({}, SETS, 0.0, "answer"),
        ({16: TRAINED}, SETS, 0.0, "answer"),
        ({10: TRAINED, 14: TRAINED}, SETS, 0.0, "answer"),
        ({10: TRAINED, 18: TRAINED}, SETS, 0.0, "answer"),
        ({10: SKIPPED}, SETS, 0.0, "answer"),
        ({10: TRAINED}, [[0.75, 0.74], [0.35, 0.60]], 0.0, "won_back_is"),
        ({10: {**TRAINED, "retraining": {"version": None, "promoted": False}}}, SETS, 0.0, "won_back_is"),
        ({10: TRAINED}, SETS, 0.3, "unattended_is"),
    ],
)
def test_each_promise_about_a_drift_can_be_broken(
    changed: dict[int, dict[str, Any]], sets: Any, recovers: float, broken: str
) -> None:
    said = report(changed, sets=sets, recovers=recovers)
    assert said["drifts"][0][broken] == "broken"
    assert not said["holds"]
    assert "DOES NOT HOLD" in summarise(said)


@pytest.mark.parametrize("number", [5, 6, 7])
def test_a_decoy_that_leads_to_a_retraining_is_told(number: int) -> None:
    said = report({number: TRAINED, 10: {**TRAINED, "retraining": {"version": 2, "promoted": False}}})
    assert said["decoys"][0]["retrainings"] == [number]
    assert said["stray_retrainings"] == [number]
    assert not said["holds"]


def test_a_recorded_decision_to_wait_answers_a_drift() -> None:
    said = report({10: WAITED, 11: WAITED})
    assert said["drifts"][0]["decisions_to_wait"] == [10, 11]
    assert said["holds"]


def test_a_decision_to_wait_about_no_drift_answers_nothing() -> None:
    assert not report({10: {"decision": "emotion: ALERT: the loss"}})["holds"]


def test_a_retraining_before_any_drift_is_stray() -> None:
    said = report({3: TRAINED, 10: {**TRAINED, "retraining": {"version": 2, "promoted": False}}})
    assert said["stray_retrainings"] == [3]
    assert not said["holds"]


def test_a_model_that_did_not_pass_wins_nothing_back_and_breaks_nothing_else() -> None:
    said = report({10: {**TRAINED, "retraining": {"version": None, "promoted": False}}})
    assert said["drifts"][0]["won_back"] is None
    assert said["drifts"][0]["promoted"] is None


@pytest.mark.parametrize(
    ("pairs", "uar"),
    [
        ([], None),
        ([("a", "a")], 1.0),
        ([("a", "a"), ("a", "b"), ("b", "b")], 0.75),
        ([("a", None), ("b", "b")], 0.5),
        ([("a", "b"), ("b", "a")], 0.0),
    ],
)
def test_no_answer_is_a_wrong_one(pairs: list[tuple[str, str | None]], uar: float | None) -> None:
    assert measure_uar(pairs) == uar


def test_the_page_is_whole_and_shows_every_event(tmp_path: Path) -> None:
    path = write_page(tmp_path / "simulation.html", report({10: TRAINED}))
    text = path.read_text(encoding="utf-8")
    ET.fromstring(text.partition("\n")[2])  # noqa: S314 - written by ourselves
    assert text.count("<svg") == 2
    for said in ("noise 4", "one loud hour", "version 2", "90%", "batch-01", "window 19, first champion: 0.350"):
        assert said in text
