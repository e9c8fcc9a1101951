"""What is known online of a caller's speaker is what a training would be told of the same utterances."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.feature_repo.conftest import Repo
from voxloop.adapters import feast as feast_adapter
from voxloop.adapters.feast_profiles import SERVICE, SpeakerProfiles, forget_profile
from voxloop.adapters.feast_training import read_training_features
from voxloop.config import find_config, load_config
from voxloop.data.emotion_history import follow_emotions
from voxloop.data.heard_journal import HeardJournal
from voxloop.data.heard_speakers import Heard, hear
from voxloop.data.prosody_tables import MEASURES, UTTERANCE_PROSODY, follow_speakers, make_prosody_row
from voxloop.data.word_tables import WordsConfig, count_words, follow_words
from voxloop.errors import InputError
from voxloop.gateway.profile_commands import erase
from voxloop.gateway.profile_keeper import list_names, name_speaker
from voxloop.jobs.gc import free_profiles
from voxloop.monitoring.pseudonyms import Pseudonyms, add_key
from voxloop.settings import get_settings
from voxloop.store.retention import RetentionConfig

AT = datetime(2026, 4, 1, tzinfo=UTC)
TEXTS = ["I love parties", "um what is that?", "no"]
EMOTIONS = ["anger", "calm", "anger"]
WORDS = load_config(WordsConfig, find_config("features", "words"))


def make_rows(speaker: str) -> list[dict[str, Any]]:
    """Return three utterances as a manifest has them."""
    return [
        {
            "utterance_id": f"{speaker}-{number}",
            "speaker_id": speaker,
            "recorded_at": AT + timedelta(minutes=number),
            "duration_s": 0.0,
            "language": "en",
            "text": text,
            "emotion": emotion,
        }
        for number, (text, emotion) in enumerate(zip(TEXTS, EMOTIONS, strict=True))
    ]


def measure(number: int) -> dict[str, float]:
    f0 = float("nan") if number == 1 else 150.1 + number / 3
    return {**dict.fromkeys(MEASURES, 0.1 + number / 7), "f0_mean_hz": f0}


def publish(rows: list[dict[str, Any]]) -> None:
    """Put the same utterances into the offline source, as the step `features` makes their tables."""
    measured = [make_prosody_row(row, measure(number)) for number, row in enumerate(rows)]
    prosody = pa.Table.from_pylist(measured, schema=UTTERANCE_PROSODY)
    words = count_words(rows, WORDS)
    tables = {
        "utterance_prosody": prosody,
        "speaker_prosody": follow_speakers(prosody),
        "utterance_words": words,
        "speaker_words": follow_words(words),
        "speaker_emotions": follow_emotions(rows, predicted=True),
    }
    feast_adapter.add_rows(tables)


def listen(row: dict[str, Any], number: int) -> Heard:
    known = {name: row[name] for name in ("duration_s", "text", "language", "emotion")}
    return hear(row["utterance_id"], row["recorded_at"], prosody=measure(number), config=WORDS, **known)


def test_online_a_speaker_is_known_as_a_training_knows_them(repo: Repo, tmp_path: Path) -> None:
    rows = make_rows("parity")
    publish(rows)
    asked = pa.table({name: [row[name] for row in rows] for name in ("utterance_id", "speaker_id", "recorded_at")})
    told = read_training_features(repo.store, SERVICE, asked).to_pylist()
    profiles = SpeakerProfiles(HeardJournal(tmp_path / "heard.db", 10))
    for number, (row, features) in enumerate(zip(rows, told, strict=True)):
        known = profiles.take("v1.parity", listen(row, number))
        expected = {name: value for name, value in features.items() if isinstance(value, float)}
        assert known.features == pytest.approx(expected, rel=1e-12, abs=0)
        assert known.utterances == number + 1
    assert known.features["speaker_emotions__utterances"] == 2.0  # not yet its own


def test_an_utterance_that_comes_twice_counts_once(repo: Repo, tmp_path: Path) -> None:
    rows = make_rows("twice")
    for most, kept in ((10, 3), (2, 2)):
        profiles = SpeakerProfiles(HeardJournal(tmp_path / f"{most}.db", most))
        for number, row in enumerate(rows):
            profiles.take(f"v1.twice{most}", listen(row, number))
        again = SpeakerProfiles(HeardJournal(tmp_path / f"{most}.db", most))
        assert again.take(f"v1.twice{most}", listen(rows[-1], 2)).utterances == kept


def test_an_erased_speaker_is_in_no_file_and_begins_anew(
    repo: Repo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = get_settings()
    journal = HeardJournal(settings.heard_journal, 10)
    old = list_names(Pseudonyms(settings.speaker_keys), "a-tenant", "ada")
    add_key(settings.speaker_keys)
    names = list_names(Pseudonyms(settings.speaker_keys), "a-tenant", "ada")
    assert names[:1] == old
    other = name_speaker(Pseudonyms(settings.speaker_keys), "b-tenant", "ada")
    profiles, rows = SpeakerProfiles(journal), make_rows("erased")
    for name in (*names, other):
        profiles.take(name, listen(rows[0], 0))
    files = [settings.heard_journal, settings.home / "feast" / "online.db"]
    assert all(name.encode() in path.read_bytes() for name in (*names, other) for path in files)
    erase(tenant="a-tenant", speaker="ada")
    assert "erased" in capsys.readouterr().out
    assert not any(name.encode() in path.read_bytes() for name in names for path in files)
    assert all(other.encode() in path.read_bytes() for path in files)
    with pytest.raises(InputError, match="no profile of a speaker 'ada' of 'a-tenant'"):
        erase(tenant="a-tenant", speaker="ada")
    assert profiles.take(other, listen(rows[1], 1)).utterances == 2
    known = profiles.take(names[1], listen(rows[1], 1))
    assert (known.utterances, "speaker_emotions__utterances" in known.features) == (1, False)


def test_gc_takes_out_whom_nobody_heard_for_long_and_goes_on_after_a_kill(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = get_settings()
    config = load_config(RetentionConfig, find_config("retention"), ("profile_days=30",))
    journal, rows = HeardJournal(settings.heard_journal, 10), make_rows("aged")
    profiles, late = SpeakerProfiles(journal), AT + timedelta(days=31)
    for speaker in ("v1.silent", "v1.back"):
        profiles.take(speaker, listen(rows[0], 0))
    profiles.take("v1.back", replace(listen(rows[1], 1), at=late))
    files = [settings.heard_journal, settings.home / "feast" / "online.db"]

    def names(speaker: str) -> list[bool]:
        return [speaker.encode() in path.read_bytes() for path in files]

    def free(*, dry_run: bool = False) -> tuple[list[Any], list[Any], Any]:
        gone, stay, failed = free_profiles(settings, config, late, dry_run=dry_run)
        ours = ("v1.silent", "v1.back")
        return (
            [one.place for one in gone if one.place in ours],
            [one.place for one in stay if one.place in ours],
            failed,
        )

    assert free(dry_run=True) == (["v1.silent"], ["v1.back"], None)
    assert names("v1.silent") == [True, True]
    with monkeypatch.context() as patch:
        patch.setattr(HeardJournal, "erase", interrupt)
        with pytest.raises(KeyboardInterrupt):
            free()
    assert names("v1.silent") == [True, False], "the journal is last: it says who is to go"
    assert free() == (["v1.silent"], ["v1.back"], None)
    assert (names("v1.silent"), names("v1.back")) == ([False, False], [True, True])
    assert free() == ([], ["v1.back"], None)
    assert not forget_profile("v1.back", journal, late), "heard while gc waited"
    assert profiles.take("v1.back", replace(listen(rows[2], 2), at=late + timedelta(days=1))).utterances == 3
    assert profiles.take("v1.silent", replace(listen(rows[2], 2), at=late)).utterances == 1


def interrupt(*_: object) -> int:
    raise KeyboardInterrupt
