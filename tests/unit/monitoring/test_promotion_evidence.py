"""What the champion was judged by, as the ledger tells it: of its own promotion, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.ledger.books import open_book
from voxloop.ledger.acts import record_judgement
from voxloop.ledger.book import Ledger
from voxloop.monitoring.promotion_evidence import AtPromotion, find_at_promotion
from voxloop.release.routes import Route, draft_route
from voxloop.verdict import Verdict

AT = datetime(2026, 11, 1, tzinfo=UTC)
FIRST, SECOND = "1a" * 32, "2b" * 32
MEASURED = {
    "measure": "uar",
    "estimate": 0.8,
    "low": 0.7,
    "high": 0.9,
    "level": 0.95,
    "method": "jackknife-t over speakers",
    "evaluation_set": "test",
    "spelling": {},
}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_book(tmp_path)


def judge(ledger: Ledger, model: str, verdict: Verdict = Verdict.PASS, **changes: Any) -> None:
    evidence = {"evaluation": "e", "measured": MEASURED | changes}
    record_judgement(ledger, task="emotion", model=model, verdict=verdict, evidence=evidence, at=AT)


def route(ledger: Ledger, day: int, *models: str, is_on: bool = True) -> None:
    weights = {model: 1 / len(models) for model in models}
    act, at = f"route/promotion/{day}", AT + timedelta(days=day)
    ledger.append(draft_route(Route("emotion", weights, None, is_on, "salt", None), act=act, at=at))


def find(ledger: Ledger) -> AtPromotion | str:
    return find_at_promotion(ledger.read(), "emotion")


def test_it_is_what_was_passed_last_before_the_reign_began(ledger: Ledger) -> None:
    judge(ledger, FIRST, estimate=0.75)
    judge(ledger, FIRST)
    judge(ledger, SECOND, estimate=0.5)
    judge(ledger, FIRST, Verdict.FAIL, estimate=0.4)
    route(ledger, 1, FIRST)
    judge(ledger, FIRST, estimate=0.6)
    found = find(ledger)
    assert found == AtPromotion(FIRST, AT + timedelta(days=1), "uar", 0.8, 0.7, 0.9, 0.95, "test", {})
    route(ledger, 2, FIRST, SECOND)
    route(ledger, 3, FIRST, is_on=False)
    route(ledger, 4, FIRST)
    assert find(ledger) == found, "a canary beside it, and a switch, begin no other reign"
    route(ledger, 5, SECOND)
    route(ledger, 6, FIRST)
    back = find(ledger)
    assert isinstance(back, AtPromotion)
    assert (back.since, back.estimate) == (AT + timedelta(days=6), 0.6)


def test_without_evidence_it_says_why(ledger: Ledger) -> None:
    assert find(ledger) == "nothing is in service"
    route(ledger, 1, FIRST)
    judge(ledger, FIRST)
    assert f"no PASS of the champion {FIRST[:12]}" in str(find(ledger))
    record_judgement(ledger, task="emotion", model=SECOND, verdict=Verdict.PASS, evidence={"reasons": []}, at=AT)
    route(ledger, 2, SECOND)
    assert "does not say how sure its error was: it is of an earlier version" in str(find(ledger))


@pytest.mark.parametrize("changes", [{"low": None}, {"estimate": "0.8"}, {"high": None}, {"level": None}])
def test_an_interval_without_its_ends_is_none(ledger: Ledger, changes: dict[str, Any]) -> None:
    judge(ledger, FIRST, **changes)
    route(ledger, 1, FIRST)
    assert "has no interval" in str(find(ledger))
