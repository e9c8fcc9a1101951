"""The emotions a speaker has shown: batch and stream agree, and no utterance is told its own label."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from voxloop.data.emotion_history import (
    COUNTED,
    SPEAKER_EMOTIONS,
    add_emotion,
    follow_emotions,
    moment_of,
)

START = datetime(2026, 1, 5, 8, tzinfo=UTC)


def labelled(
    name: str, emotion: str | None, *, seconds: float = 0, speaker: str = "s1", lasts: float | None = 2.0
) -> dict[str, Any]:
    return {
        "utterance_id": name,
        "speaker_id": speaker,
        "recorded_at": START + timedelta(seconds=seconds),
        "duration_s": lasts,
        "emotion": emotion,
    }


def follow(*rows: dict[str, Any], known_at: datetime | None = None) -> list[dict[str, Any]]:
    table = follow_emotions(rows, known_at)
    assert table.schema.equals(SPEAKER_EMOTIONS)
    told: list[dict[str, Any]] = table.to_pylist()
    return told


def test_a_speaker_is_followed_through_time() -> None:
    first, second = follow(labelled("b", "fear", seconds=10), labelled("a", "anger"))
    assert (first["last_emotion"], first["anger_count"], first["seconds_since_previous"]) == ("anger", 1, None)
    assert (second["last_emotion"], second["utterances"], second["seconds_since_previous"]) == ("fear", 2, 10.0)
    assert (second["anger_share"], second["fear_share"], second["predicted"]) == (0.5, 0.5, 0)


def test_speakers_are_apart_and_the_unlabelled_left_out() -> None:
    rows = follow(labelled("a", "anger"), labelled("b", None, seconds=5), labelled("c", "calm", speaker="s2"))
    assert [(row["speaker_id"], row["utterances"]) for row in rows] == [("s1", 1), ("s2", 1)]


def test_an_unknown_label_is_counted_as_other_and_named() -> None:
    (row,) = follow(labelled("a", "schadenfreude"))
    assert (row["other_count"], row["last_emotion"]) == (1, "schadenfreude")


def test_nothing_of_an_utterance_is_known_until_it_has_ended() -> None:
    spoken = labelled("a", "anger", lasts=2.5)
    (row,) = follow(spoken)
    assert row["event_timestamp"] > spoken["recorded_at"] + timedelta(seconds=2.5)
    assert row["created"] >= row["event_timestamp"]
    words_alone = labelled("b", "anger", lasts=None)
    assert moment_of(words_alone) > words_alone["recorded_at"]


def test_labels_given_later_are_known_later() -> None:
    later = START + timedelta(days=9)
    assert [
        row["created"] for row in follow(labelled("a", "fear"), labelled("b", "fear", seconds=9), known_at=later)
    ] == [
        later,
        later,
    ]


def test_a_prediction_that_comes_late_does_not_change_the_past() -> None:
    (before,) = follow(labelled("a", "anger", seconds=60))
    early = START + timedelta(seconds=5)
    after = add_emotion(before, "s1", "fear", moment=early, known_at=early, predicted=True)
    assert after["event_timestamp"] == before["event_timestamp"]
    assert (after["utterances"], after["predicted"], after["last_emotion"]) == (2, 1, "fear")
    assert after["created"] >= before["created"]


ROWS = st.lists(st.tuples(st.sampled_from([*COUNTED, "odd", None]), st.integers(0, 4)), max_size=10)


@settings(max_examples=50, deadline=None)
@given(drawn=ROWS, draw=st.data())
def test_batch_and_stream_agree_and_order_changes_nothing(
    drawn: list[tuple[str | None, int]], draw: st.DataObject
) -> None:
    rows = [labelled(f"u{index}", emotion, seconds=at) for index, (emotion, at) in enumerate(drawn)]
    whole = follow(*rows)
    assert follow(*draw.draw(st.permutations(rows))) == whole
    history: dict[str, Any] | None = None
    for row in sorted(rows, key=lambda row: (moment_of(row), row["utterance_id"])):
        if row["emotion"] is not None:
            at = moment_of(row)
            history = add_emotion(history, "s1", row["emotion"], moment=at, known_at=at)
    assert (whole[-1] if whole else None) == history
    if history:
        assert sum(history[f"{name}_count"] for name in COUNTED) == history["utterances"]
        assert abs(sum(history[f"{name}_share"] for name in COUNTED) - 1) < 1e-12
