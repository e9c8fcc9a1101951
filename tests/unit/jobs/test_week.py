"""`voxloop week`: the page, and who is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.listener import listening
from voxloop.errors import InputError
from voxloop.jobs.week import week
from voxloop.ledger.book import open_ledger
from voxloop.ledger.entry import LOOK, Draft
from voxloop.monitoring.retraining import NIGHT, Reason
from voxloop.monitoring.retraining_acts import begin_attempt, claim, end_attempt
from voxloop.settings import Settings

AT = datetime(2026, 11, 24, 2, tzinfo=UTC)


@pytest.fixture
def retrained(settings: Settings) -> str:
    """A ledger with one retraining, which failed, and a look at an evaluation set."""
    ledger = open_ledger(settings)
    reason = Reason("emotion", NIGHT, "2026-11-24")
    claim(ledger, reason, bound={"arguments": {}, "data": None}, because="the night", at=AT)
    attempt = begin_attempt(ledger, reason.retrain_id, code="c", at=AT)
    end_attempt(ledger, attempt, {"error": "<b>no space</b> left"}, at=AT + timedelta(hours=1))
    payload = {"challenger": "c", "domain": "home", "evaluation_set": "d"}
    ledger.append(Draft(kind=LOOK, task="emotion", subject="home-2026-11-01", act="look/1", payload=payload, at=AT))
    return reason.retrain_id


def test_the_page_says_what_the_terminal_says(retrained: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(week("2026-W48"))
    said = capsys.readouterr().out
    assert path.name == "week-2026-W48.html"
    text = " ".join(ET.fromstring(path.read_text().partition("\n")[2]).itertext())  # noqa: S314 - our own page
    for words in (retrained, "failed: <b>no space</b> left", "nothing serves", "no retraining was judged"):
        assert words in said
        assert words in text
    assert "home-2026-11-01: 1 of" in said
    before = path.read_bytes()
    assert Path(week("2026-W48")).read_bytes() == before


def test_without_a_ledger_there_is_nothing_to_tell_and_no_failure(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "has nothing of it" in Path(week()).read_text()
    assert "nothing is in the ledger" in capsys.readouterr().out
    with pytest.raises(InputError, match="2026-W48"):
        week("last")


def test_people_are_told_the_lines_and_not_at_once_again(
    retrained: str, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    week("2026-W48", tell=True)
    assert "nobody is told" in capsys.readouterr().out
    with listening() as receiver:
        file = settings.notice_destinations_file
        file.write_text(f"on-call=json://{receiver.place}/hook\n")
        file.chmod(0o600)
        week("2026-W48", tell=True)
        week("2026-W48", tell=True)
        week("2026-W47", tell=True)
        told = [json.loads(body) for _, body in receiver.posts]
    assert [one["title"] for one in told] == ["voxloop: week 2026-W48", "voxloop: week 2026-W47"]
    assert retrained in told[0]["message"]
