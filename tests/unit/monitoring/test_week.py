"""A week of the ledger: what was in it, and nothing of what was not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.ledger.books import open_book
from voxloop.errors import InputError
from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import DECISION, JUDGEMENT, PROMOTION, Draft
from voxloop.monitoring.past_runs import Yield
from voxloop.monitoring.retraining import NIGHT, Reason
from voxloop.monitoring.retraining_acts import begin_attempt, claim, end_attempt
from voxloop.monitoring.week import Week, tell_week
from voxloop.release.routes import Route, record_route

WEEK = Week.read("2026-W48")
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
OUTCOME = {"data_verdict": "PASS", "verdict": "PASS", "model": "b" * 64, "version": 2}


def write(ledger: Ledger, kind: str, at: datetime, **payload: object) -> None:
    act = f"{kind}/{at.isoformat()}"
    ledger.append(Draft(kind=kind, task="emotion", subject="b" * 64, act=act, payload=payload, at=at))


def serve(ledger: Ledger, model: str, at: datetime) -> None:
    route = Route(task="emotion", salt="s", weights={model * 64: 1.0}, shadow=None, fallback=None, is_on=True)
    record_route(ledger, route, act=f"route/{model}", at=at)


def retrain(ledger: Ledger, night: str, claimed: datetime, ended: datetime) -> str:
    reason = Reason("emotion", NIGHT, night)
    claim(ledger, reason, bound={"arguments": {}, "data": None}, because="the night", at=claimed)
    end_attempt(ledger, begin_attempt(ledger, reason.retrain_id, code="c", at=claimed), OUTCOME, at=ended)
    return reason.retrain_id


@pytest.mark.parametrize("text", ["", "2026", "2026-W00", "2026-W54", "2025-W53", "2026-48", "W48-2026", "2026-W48 "])
def test_what_is_no_week_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no week"):
        Week.read(text)


@given(st.integers(0, 80 * 366 * 86_400))
def test_the_last_week_that_is_over_ends_at_the_last_monday(seconds: int) -> None:
    at = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    week = Week.before(at)
    assert week.monday.weekday() == 0
    assert week.end <= at < week.end + timedelta(days=7)
    assert Week.read(str(week)) == week


def test_a_week_is_told_by_its_own_entries_alone(tmp_path: Path) -> None:
    ledger, day, last = open_book(tmp_path), timedelta(days=1), WEEK.end - timedelta(microseconds=1)
    serve(ledger, "a", MONDAY - day)
    write(ledger, JUDGEMENT, MONDAY - timedelta(microseconds=1), verdict="FAIL")
    early = retrain(ledger, "2026-11-22", MONDAY - 2 * day, MONDAY + timedelta(hours=1))
    write(ledger, JUDGEMENT, MONDAY, verdict="PASS")
    write(ledger, PROMOTION, MONDAY + day, step="claimed")
    write(ledger, PROMOTION, MONDAY + 2 * day, step="done")
    serve(ledger, "b", MONDAY + 2 * day)
    write(ledger, DECISION, last, word="LABEL_MORE", reasons=[])
    told = tell_week(ledger.read(), WEEK)
    (family,) = told
    assert family.counts == {"drift, decided LABEL_MORE": 1, "judged PASS": 1, "promotions": 1}
    assert [one.retrain_id for one in family.retrainings] == [early]
    assert family.brought == Yield(judged=1, promoted=1, gpu_hours=0, unknown_hours=1, points=0)
    assert (family.champion_before, family.champion) == ("a" * 64, "b" * 64)
    # What comes later changes nothing of it.
    retrain(ledger, "2026-11-30", WEEK.end, WEEK.end + day)
    write(ledger, JUDGEMENT, WEEK.end, verdict="FAIL")
    serve(ledger, "c", WEEK.end)
    assert tell_week(ledger.read(), WEEK) == told
    (later,) = tell_week(ledger.read(), Week(date(2026, 11, 30)))
    assert later.champion_before == "b" * 64
    assert later.counts == {"judged FAIL": 1}


def test_a_week_of_nothing_is_quiet_and_one_before_the_ledger_has_no_families(tmp_path: Path) -> None:
    ledger = open_book(tmp_path)
    write(ledger, JUDGEMENT, MONDAY - timedelta(days=30), verdict="FAIL")
    (family,) = tell_week(ledger.read(), WEEK)
    assert family.is_quiet
    assert tell_week(ledger.read(), Week.read("2020-W01")) == []
