"""Which profiles go: those of whom nothing was heard for long, and no others."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from voxloop.config import find_config, load_config
from voxloop.data.heard_journal import HeardJournal
from voxloop.data.heard_speakers import Heard
from voxloop.data.profile_retention import KIND, plan_profiles
from voxloop.store.retention import RetentionConfig

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAYS = 30
CONFIG = load_config(RetentionConfig, find_config("retention"), (f"profile_days={DAYS}",))
LINE = AT - timedelta(days=DAYS)
ages = st.integers(-5_000, 5_000).map(lambda number: timedelta(microseconds=number**3))


def make_utterance(number: int, at: datetime) -> Heard:
    return Heard(f"u{number}", at, 1.0, {}, None, None)


@settings(deadline=None, max_examples=50)  # each writes to the disk a dozen times
@given(heard=st.lists(st.tuples(st.sampled_from("abcd"), ages), max_size=12))
def test_each_profile_goes_or_stays_by_its_last_utterance(heard: list[tuple[str, timedelta]]) -> None:
    last: dict[str, datetime] = {}
    with tempfile.TemporaryDirectory() as place:
        journal = HeardJournal(Path(place) / "heard.db", 100)
        for number, (speaker, age) in enumerate(heard):
            last[speaker] = journal.add(speaker, make_utterance(number, LINE + age))[-1].at
        free, keep = plan_profiles(journal, CONFIG, AT)
        for speaker, at in last.items():
            assert journal.find_last(speaker) == at
    assert {item.place for item in free} == {speaker for speaker, at in last.items() if at < LINE}
    assert {item.place for item in keep} == {speaker for speaker, at in last.items() if at >= LINE}
    assert all(item.kind == KIND and item.size > 0 for item in (*free, *keep))


def test_without_a_journal_there_is_nothing_and_none_is_made(tmp_path: Path) -> None:
    journal = HeardJournal(tmp_path / "feast" / "heard.db", 1)
    assert plan_profiles(journal, CONFIG, AT) == ([], [])
    assert journal.find_last("ada") is None
    assert list(tmp_path.iterdir()) == []
