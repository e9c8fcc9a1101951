from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.ledger.books import open_book
from voxloop.config import find_config, load_config
from voxloop.ledger.book import Ledger
from voxloop.monitoring.decision import Choice, Facts, Word
from voxloop.monitoring.decision_pages import list_decisions, name_episode, read_begin, record_decision
from voxloop.monitoring.drift.policy import DriftPolicy
from voxloop.runners.nightly_retraining import retraining_arguments

AT = datetime(2026, 1, 2, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
FACTS = Facts(True, ("3 of 6 windows",), drift_size=float("inf"), new_hours=0.2)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_book(tmp_path)


def say(ledger: Ledger, word: Word, hour: int, task: str = "emotion") -> int:
    """Decide on the episode that began in that hour; return the entry's number."""
    policy = load_config(DriftPolicy, find_config("drift", task)).decision
    episode, choice = name_episode(task, (AT + hour * HOUR).isoformat(timespec="minutes")), Choice(word, ("why",))
    at, page = AT + hour * HOUR, {"problem": "the rows are gone"}
    return record_decision(ledger, episode, choice, FACTS, policy, report=page, stands=24 * HOUR, at=at).sequence


def test_an_episode_is_the_reason_that_the_run_of_its_name_is() -> None:
    begin = "2026-01-02T02:00+00:00"
    assert read_begin(name_episode("emotion", begin).episode) == AT
    command = retraining_arguments({"arguments": "local"}, f"drift__emotion__{begin}")
    reason = name_episode("emotion", begin)
    assert command[:5] == ["retrain", "--kind", reason.kind, "--episode", reason.episode]


def test_a_page_has_facts_policy_and_reasons(ledger: Ledger) -> None:
    say(ledger, Word.RETRAIN, 0)
    (page,) = ledger.read()
    assert page.subject == name_episode("emotion", "2026-01-02T02:00+00:00").retrain_id
    assert page.content["word"] == "RETRAIN"
    assert page.content["reasons"] == ["why"]
    assert page.content["facts"]["new_hours"] == 0.2
    assert page.content["facts"]["drift_size"] is None, "no JSON has infinity"
    assert page.content["policy"]["arguments"] == "local"
    assert page.content["report"] == {"problem": "the rows are gone"}


def test_a_word_stands_for_a_day_and_a_retraining_is_of_its_episode(ledger: Ledger) -> None:
    assert [say(ledger, Word.LABEL_MORE, hour) for hour in (0, 0, 1, 23)] == [1, 1, 1, 1]
    assert say(ledger, Word.LABEL_MORE, 25) == 2, "a day later it is said again"
    assert [say(ledger, Word.RETRAIN, hour) for hour in (25, 25, 26)] == [3, 3, 4]
    assert say(ledger, Word.ALERT, 26) == 5, "another word of the same episode"
    assert say(ledger, Word.RETRAIN, 26) == 6, "and back: what was decided last is what counts"
    assert say(ledger, Word.LABEL_MORE, 26, task="asr") == 7
    assert len(list_decisions(ledger.read(), "emotion")) == 6
