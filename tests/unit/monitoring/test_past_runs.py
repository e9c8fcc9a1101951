"""What past retrainings learned and brought, by pages of a ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.ledger.books import open_book
from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import PROMOTION, Draft
from voxloop.monitoring.past_runs import Learned, PastRun, find_newest_trained, list_past_runs, measure_yield
from voxloop.monitoring.retraining import NIGHT, Reason, list_retrainings
from voxloop.monitoring.retraining_acts import begin_attempt, claim, end_attempt

AT = datetime(2026, 1, 1, 2, tzinfo=UTC)
LEARNED = Learned("uar", error=0.3, hours=2.0, labelled_hours=3.0, gpu_hours=0.5, lead=0.02)


def retrain(ledger: Ledger, day: int, outcome: dict[str, object]) -> None:
    at = AT + timedelta(days=day)
    reason = Reason("emotion", NIGHT, f"{at:%Y-%m-%d}")
    claim(ledger, reason, bound={"arguments": {}, "data": None}, because="the night", at=at)
    end_attempt(ledger, begin_attempt(ledger, reason.retrain_id, code="c", at=at), outcome, at=at + timedelta(hours=1))


def judged(model: str, learned: Learned | None = LEARNED, data: str = "PASS") -> dict[str, object]:
    page = {"learned": learned.as_page()} if learned else {}
    return {"data_verdict": data, "verdict": "PASS", "model": model * 64, "version": 1, **page}


def promote(ledger: Ledger, model: str, step: str) -> None:
    act = f"promotion/{model}/{step}"
    ledger.append(Draft(kind=PROMOTION, task="emotion", subject=model * 64, act=act, payload={"step": step}, at=AT))


def runs_of(ledger: Ledger) -> list[PastRun]:
    return list_past_runs(list_retrainings(ledger.read(), "emotion"))


def test_what_was_judged_says_what_it_learned_and_what_failed_says_nothing(tmp_path: Path) -> None:
    ledger = open_book(tmp_path)
    retrain(ledger, 0, judged("a"))
    retrain(ledger, 1, {"error": "no space left"})
    retrain(ledger, 2, judged("b", None))
    retrain(ledger, 3, judged("c", data="FAIL"))
    first, second, third = runs_of(ledger)
    assert (first.learned, second.learned, third.model) == (LEARNED, None, "c" * 64)
    newest = find_newest_trained(runs_of(ledger))
    assert newest is not None
    assert newest.model == "b" * 64, "the data of the newest were refused, so nothing was learned from them"
    assert find_newest_trained([]) is None


def test_a_page_of_another_version_is_read_as_far_as_it_goes() -> None:
    page = {"measure": "uar", "hours": 1.0, "tokens": 7}
    assert Learned.of_page(page) == Learned("uar", None, 1.0, None, None, None)


def test_the_yield_is_promotions_and_hours_a_point(tmp_path: Path) -> None:
    ledger = open_book(tmp_path)
    assert str(measure_yield(runs_of(ledger), ledger.read())) == "no retraining was judged"
    for day, model in enumerate("abca"):
        retrain(ledger, day, judged(model))
    promote(ledger, "b", "claimed")
    for model in "acd":
        promote(ledger, model, "done")
    brought = measure_yield(runs_of(ledger), ledger.read())
    assert (brought.judged, brought.promoted, brought.gpu_hours, brought.unknown_hours) == (4, 2, 2.0, 0)
    assert brought.points == pytest.approx(4.0)
    assert brought.hours_per_point == pytest.approx(0.5)
    assert str(brought) == "2 of 4 retrainings promoted, GPU-hours an accepted point: 0.5"
    retrain(ledger, 9, judged("e", None))
    assert measure_yield(runs_of(ledger), ledger.read()).hours_per_point is None, "of one the hours are not known"
