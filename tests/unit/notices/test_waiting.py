"""What waits for an approver, by the ledger's rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from voxloop.ledger.book import Ledger, open_ledger
from voxloop.ledger.entry import APPROVAL, REGISTRATION, VOID, Draft
from voxloop.notices.notice import Audience
from voxloop.notices.waiting import list_unanswered, tell_what_waits
from voxloop.release.freezes import freeze_family
from voxloop.settings import Settings

AT = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture
def ledger(settings: Settings) -> Ledger:
    return open_ledger(settings)


def write(ledger: Ledger, kind: str, task: str, version: int, more: Mapping[str, object] | None = None) -> None:
    payload = {"version": version, **(more or {})}
    ledger.append(Draft(kind=kind, task=task, subject="m" * 64, act=f"{kind}/{task}/{version}", payload=payload, at=AT))


def waiting(ledger: Ledger) -> list[tuple[str, int]]:
    return [(entry.task, entry.content["version"]) for entry in list_unanswered(ledger.read())]


def test_the_newest_version_waits_until_somebody_says_something(ledger: Ledger) -> None:
    assert waiting(ledger) == []
    write(ledger, REGISTRATION, "emotion", 1)
    write(ledger, REGISTRATION, "asr", 7)
    assert waiting(ledger) == [("emotion", 1), ("asr", 7)]
    write(ledger, REGISTRATION, "emotion", 2)
    assert waiting(ledger) == [("emotion", 2), ("asr", 7)], "an older one is not asked for"
    write(ledger, APPROVAL, "emotion", 2)
    write(ledger, VOID, "asr", 7, {"approval": "none", "because": "rejected"})
    assert waiting(ledger) == []
    write(ledger, APPROVAL, "asr", 8)
    assert waiting(ledger) == [], "a word about another version is none about this one"


def test_the_notice_has_address_and_expiry_and_says_when_it_is_frozen(ledger: Ledger, tmp_path: Path) -> None:
    write(ledger, REGISTRATION, "emotion", 3)
    (told,) = tell_what_waits(ledger.read(), mlflow_url="http://127.0.0.1:5000", lasts=timedelta(days=14), at=AT)
    assert (told.audience, told.about, told.counts) == (Audience.APPROVERS, "approval/emotion/3", False)
    assert "http://127.0.0.1:5000/#/models/emotion/versions/3" in told.text
    assert "until 2026-12-13" in told.text
    assert "frozen" not in told.text
    freeze_family(ledger, "emotion", until=AT + timedelta(days=2), because="a fair", at=AT)
    (told,) = tell_what_waits(ledger.read(), mlflow_url="http://127.0.0.1:5000", lasts=timedelta(days=14), at=AT)
    assert "emotion is frozen until 2026-12-01 12:00 UTC: a fair" in told.text
