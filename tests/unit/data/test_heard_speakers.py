from __future__ import annotations

import math
import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from voxloop.config import find_config, load_config
from voxloop.data.emotion_history import add_emotion
from voxloop.data.heard_journal import HeardJournal
from voxloop.data.heard_speakers import STEP, Heard, follow_heard, hear
from voxloop.data.prosody_tables import MEASURES
from voxloop.data.word_tables import WordsConfig
from voxloop.errors import IntegrityError, ServiceUnavailableError

AT = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
WORDS = load_config(WordsConfig, find_config("features", "words"))
NAN = float("nan")


def make(number: int, *, at: datetime | None = None, **changes: Any) -> Heard:
    said: dict[str, Any] = {
        "duration_s": 2.0,
        "prosody": {**dict.fromkeys(MEASURES, float(number)), "f0_mean_hz": NAN if number == 2 else 100.0 * number},
        "text": "um I love parties",
        "language": "en",
        "emotion": "anger" if number % 2 else "glee",
        **changes,
    }
    return hear(f"u{number}", at or AT + timedelta(seconds=number), config=WORDS, **said)


def test_running_rows_are_about_every_utterance_and_leave_out_what_is_not_known() -> None:
    rows = follow_heard("ada", [make(1), make(2, text=None), make(3, emotion=None)])
    assert rows.keys() == {
        *("utterance_prosody", "speaker_prosody", "utterance_words", "speaker_words", "speaker_emotions"),
    }
    prosody, words, emotions = rows["speaker_prosody"], rows["speaker_words"], rows["speaker_emotions"]
    assert (prosody["utterances"], words["utterances"], emotions["utterances"]) == (3, 2, 2)
    assert prosody["f0_mean_hz"] == 200.0  # of the two that have one
    assert (prosody["pause_share"], prosody["sounding_seconds"]) == (2.0, 6.0)
    assert (words["tokens"], words["filler_share"], words["words_per_second"]) == (8.0, 0.25, 2.0)
    assert (emotions["predicted"], emotions["anger_share"], emotions["last_emotion"]) == (2, 0.5, "glee")
    assert (emotions["other_count"], emotions["seconds_since_previous"]) == (1, 1.0)
    assert {row["speaker_id"] for row in rows.values()} == {"ada"}


def test_the_newest_utterance_alone_is_looked_up_under_the_speaker() -> None:
    rows = follow_heard("ada", [make(1), make(2, text=None)])
    assert rows["utterance_prosody"]["utterance_id"] == rows["utterance_words"]["utterance_id"] == "ada"
    assert rows["utterance_prosody"]["f0_mean_hz"] is None
    assert rows["utterance_prosody"]["pause_share"] == 2.0
    assert rows["utterance_words"].get("tokens") is None  # those of the one before are none of this one's
    assert rows["utterance_words"]["event_timestamp"] == AT + timedelta(seconds=2)
    assert follow_heard("ada", [make(1, text=None, emotion=None)]).keys() == {
        *("utterance_prosody", "utterance_words", "speaker_prosody"),
    }


def test_an_emotion_may_be_known_before_the_next_utterance_and_not_during_its_own(tmp_path: Path) -> None:
    journal = HeardJournal(tmp_path / "heard.db", 10)
    journal.add("ada", make(1, at=AT))
    heard = journal.add("ada", make(2, at=AT))
    emotions = follow_heard("ada", heard)["speaker_emotions"]
    before = add_emotion(None, "ada", "anger", moment=AT + STEP / 2, known_at=AT, predicted=True)
    assert AT < before["event_timestamp"] < heard[1].at < emotions["event_timestamp"]


def test_an_utterance_is_kept_once_and_the_past_stays(tmp_path: Path) -> None:
    path = tmp_path / "feast" / "heard.db"
    for _ in range(2):
        first = HeardJournal(path, 10).add("ada", make(1))
    assert [one.utterance_id for one in first] == ["u1"]
    assert first[0].at == AT + timedelta(seconds=1)
    late = HeardJournal(path, 10).add("ada", make(2, at=AT))
    assert [(one.utterance_id, one.at) for one in late] == [("u1", first[0].at), ("u2", first[0].at + STEP)]
    assert math.isnan(late[1].prosody["f0_mean_hz"])
    assert late[1].words == make(2).words
    assert [one.utterance_id for one in HeardJournal(path, 10).add("bob", make(1))] == ["u1"]
    again = HeardJournal(path, 10).add("ada", make(1))
    assert [(one.utterance_id, one.at) for one in again] == [(one.utterance_id, one.at) for one in late]


def test_of_a_speaker_the_newest_are_kept_and_of_nobody_a_word(tmp_path: Path) -> None:
    path = tmp_path / "heard.db"
    journal = HeardJournal(path, 3)
    for number in range(5):
        kept = journal.add("ada", make(number))
    journal.add("bob", make(9))
    assert [one.utterance_id for one in kept] == ["u2", "u3", "u4"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_bytes()
    assert b"u4" in content
    assert b"u0" not in content
    assert b"parties" not in content


def test_a_file_that_is_none_and_one_that_is_held_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"no database at all" * 100)
    with pytest.raises(IntegrityError, match=r"broken\.db is no journal"):
        HeardJournal(broken, 3).add("ada", make(1))
    monkeypatch.setattr("voxloop.data.heard_journal.BUSY_SECONDS", 0.1)
    held = HeardJournal(tmp_path / "held.db", 3)
    held.add("ada", make(1))
    assert (held.erase("ada"), held.erase("ada")) == (1, 0)
    held.add("ada", make(1))
    with sqlite3.connect(tmp_path / "held.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ServiceUnavailableError, match="locked"):
            held.add("ada", make(2))
        other.execute("ROLLBACK")
    other.close()
    assert len(held.add("ada", make(2))) == 2
    with closing(sqlite3.connect(tmp_path / "held.db")) as other:
        other.execute("UPDATE heard SET content = '{}'")
        other.commit()
    with pytest.raises(IntegrityError, match="no journal of utterances: 'prosody'"):
        held.add("ada", make(3))
