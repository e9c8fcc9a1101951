"""From labels in quarantine to a word: a ledger, a prediction log and feedback on the disk, and `voxloop decide`."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.monitoring.labelled import KEYS, LABELS
from tests.unit.monitoring.predictions import make_prediction
from tests.unit.monitoring.test_promotion_evidence import FIRST, MEASURED
from tests.unit.runners.test_decide import corpus, decide, write_report
from voxloop.errors import IntegrityError
from voxloop.jobs.explain import write_page
from voxloop.ledger.acts import record_judgement
from voxloop.ledger.book import open_ledger
from voxloop.monitoring.decision_pages import list_decisions
from voxloop.monitoring.feedback import record_feedback
from voxloop.monitoring.prediction import make_row, make_table
from voxloop.monitoring.prediction_files import hour_folder, write_batch
from voxloop.monitoring.request_ids import make_request_id
from voxloop.monitoring.request_lookup import know_request
from voxloop.release.routes import Route, draft_route
from voxloop.settings import Settings, now
from voxloop.verdict import Verdict

__all__ = ["corpus"]  # a fixture of that file
SPEAKERS, EACH = 12, 12


def promote(settings: Settings, **changes: Any) -> None:
    ledger, at = open_ledger(settings), now() - timedelta(days=3)
    evidence = {"evaluation": "e", "measured": MEASURED | changes}
    record_judgement(ledger, task="emotion", model=FIRST, verdict=Verdict.PASS, evidence=evidence, at=at)
    route = Route("emotion", {FIRST: 1.0}, None, True, "salt", None)
    ledger.append(draft_route(route, act="route/promotion/1", at=at))


def answer_and_label(settings: Settings, wrong_of_six: int, family: str = "emotion") -> None:
    """Have each of some speakers answered wrongly so many times of six, a speaker more or less, and labelled."""
    hour = now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)
    rows = []
    for speaker in range(SPEAKERS):
        for place in range(EACH):
            at = hour + timedelta(seconds=speaker * EACH + place)
            truth = LABELS[place % 4]
            is_wrong = place % 6 < wrong_of_six + speaker // 3 % 3 - 1
            said = LABELS[(place + 1) % 4] if is_wrong else truth
            answer = {"emotion": said, "probabilities": dict.fromkeys(LABELS, 0.25)}
            made = make_prediction(
                0, at=at, request_id=make_request_id(at), model_digest=FIRST, answer=answer, family=family
            )
            rows.append(make_row(made, (f"{speaker:064x}", "v1")))
            known = know_request(made)
            assert known is not None
            key = KEYS[speaker % 3]
            record_feedback(settings.feedback, known, {"emotion": truth}, tenant="t", key_id=key, at=now())
    folder = hour_folder(settings.predictions, family, hour)
    write_batch(folder, settings.predictions, "20261129T095930-0123abcd", 1, make_table(rows))


def read_decision(settings: Settings) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((settings.drift / "emotion" / "decision.json").read_text())
    return said


def test_an_alarming_loss_is_told_although_nothing_has_drifted(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    promote(settings)
    answer_and_label(settings, wrong_of_six=4)
    write_report(settings, is_triggered=False)
    waiting = {path: path.read_bytes() for path in settings.feedback.rglob("*.json")}
    line = decide(capsys)
    assert {path: path.read_bytes() for path in settings.feedback.rglob("*.json")} == waiting, "none is let out"
    assert line.startswith("ALERT: the latest window is NO_DRIFT; the loss measured in production is 0.2")
    assert "alarming from 0.05: error 0.6" in line
    assert "0.2 at promotion" in line
    assert "no random sample" in line
    assert decide(capsys) == line
    ledger = open_ledger(settings)
    (page,) = list_decisions(ledger.read(), "emotion")
    assert page.content["facts"]["measured_loss"] == pytest.approx(
        read_decision(settings)["loss"]["measured"]["loss"]["low"]
    )
    shown = "\n".join(write_page(ledger.read(), "emotion"))
    assert "decided    ALERT" in shown
    assert ", loss emotion__" in shown
    assert "alarming from 0.05: error 0.6" in shown
    assert read_decision(settings)["episode"] is None, "no drift began"


def test_a_loss_that_may_be_none_leaves_the_word_as_it_is(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    promote(settings)
    answer_and_label(settings, wrong_of_six=1)
    write_report(settings, is_triggered=False)
    line = decide(capsys)
    assert line.startswith("WAIT: the latest window is NO_DRIFT; the loss measured in production is -0.")
    assert list_decisions(open_ledger(settings).read(), "emotion") == []


@pytest.mark.parametrize(("hours", "word"), [(0.05, "ALERT"), (1.0, "RETRAIN")])
def test_with_drift_it_calls_a_person_where_nothing_can_be_learned(
    settings: Settings, corpus: dict[str, float | None], hours: float, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    promote(settings)
    answer_and_label(settings, wrong_of_six=4)
    write_report(settings)
    corpus["hours"] = hours
    line = decide(capsys)
    assert line.startswith(f"{word}: 3 of the last 6 windows")
    assert "the loss measured in production is 0.2" in line


@pytest.mark.parametrize(
    ("evidence", "change", "why"),
    [
        ({"low": None}, "labels.days=28", "has no interval"),
        ({"measure": "ece"}, "labels.days=28", "judged by ece"),
        ({}, "labels.least_speakers=13", "12 speakers whose answers have a label, of 13 at least"),
        ({}, "labels.most_of_one_key=0.3", "are of one key"),
    ],
)
def test_what_is_not_known_is_told_with_its_reason_and_alarms_nobody(
    settings: Settings, evidence: dict[str, Any], change: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    promote(settings, **evidence)
    answer_and_label(settings, wrong_of_six=4)
    write_report(settings, is_triggered=False)
    line = decide(capsys, change)
    assert line.startswith("WAIT: the latest window is NO_DRIFT; the loss measured in production is not known: ")
    assert why in line
    assert why in read_decision(settings)["loss"]["about"]


def test_without_labels_nothing_is_said_of_a_loss(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    promote(settings)
    write_report(settings, is_triggered=False)
    assert decide(capsys) == "WAIT: the latest window is NO_DRIFT"


def test_labels_without_a_champion_are_of_nothing(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    answer_and_label(settings, wrong_of_six=4)
    write_report(settings, is_triggered=False)
    assert decide(capsys).endswith("the loss measured in production is not known: nothing is in service")


def test_a_ledger_that_is_not_whole_is_no_evidence(settings: Settings, tmp_path: Path) -> None:
    from voxloop.cli import run_command

    promote(settings)
    answer_and_label(settings, wrong_of_six=4)
    write_report(settings, is_triggered=False)
    (settings.ledger / "head.json").unlink()
    assert run_command(["decide", "emotion"]) == IntegrityError.exit_code
