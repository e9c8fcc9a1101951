"""The tables of the feature store: what they hold, and that order and later speech change nothing earlier."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxloop.data.prosody_tables import (
    MEASURES,
    SPEAKER_PROSODY,
    UTTERANCE_PROSODY,
    FeaturesConfig,
    follow_speakers,
    measure_utterances,
)
from voxloop.speech.prosody import ProsodyConfig
from voxloop.speech.waveform import SAMPLE_RATE, Waveform

START = datetime(2026, 1, 5, 8, tzinfo=UTC)


def utterance(name: str, speaker: str = "s1", minutes: int = 0, **measures: float | None) -> dict[str, Any]:
    moment = START + timedelta(minutes=minutes)
    row = {"utterance_id": name, "speaker_id": speaker, "event_timestamp": moment, "created": moment}
    return {**row, **dict.fromkeys(MEASURES, 1.0), **measures}


def speakers(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    table = follow_speakers(pa.Table.from_pylist(list(rows), schema=UTTERANCE_PROSODY))
    assert table.schema.equals(SPEAKER_PROSODY)
    rows_of: list[dict[str, Any]] = table.to_pylist()
    return rows_of


def spoken(name: str, waveform: Waveform) -> tuple[dict[str, Any], Waveform]:
    return {"utterance_id": name, "speaker_id": "s1", "recorded_at": START}, waveform


def test_a_speaker_is_followed_through_time() -> None:
    rows = speakers(
        utterance("b", minutes=5, f0_mean_hz=200.0, sounding_seconds=2.0),
        utterance("a", minutes=0, f0_mean_hz=100.0, sounding_seconds=3.0),
        utterance("c", speaker="s2", minutes=9, f0_mean_hz=400.0),
    )
    assert [(r["speaker_id"], r["utterances"], r["f0_mean_hz"]) for r in rows] == [
        ("s1", 1, 100.0),
        ("s1", 2, 150.0),
        ("s2", 1, 400.0),
    ]
    assert [r["sounding_seconds"] for r in rows] == [3.0, 5.0, 1.0]
    assert [r["event_timestamp"] for r in rows] == [START + timedelta(minutes=m) for m in (0, 5, 9)]


def test_what_is_missing_is_left_out_of_the_mean() -> None:
    rows = speakers(
        utterance("a", minutes=0, f0_mean_hz=None),
        utterance("b", minutes=1, f0_mean_hz=100.0),
        utterance("c", minutes=2, f0_mean_hz=None),
        utterance("d", minutes=3, f0_mean_hz=300.0),
    )
    assert [r["f0_mean_hz"] for r in rows] == [None, 100.0, 100.0, 200.0]


def test_utterances_of_one_moment_make_one_row() -> None:
    (row,) = speakers(utterance("a", f0_mean_hz=100.0), utterance("b", f0_mean_hz=300.0))
    assert (row["utterances"], row["f0_mean_hz"]) == (2, 200.0)


def test_a_row_is_known_once_the_last_of_its_utterances_is() -> None:
    late = utterance("a") | {"created": START + timedelta(days=9)}
    rows = speakers(late, utterance("b", minutes=1))
    assert [r["created"] for r in rows] == [START + timedelta(days=9)] * 2


ROWS = st.lists(
    st.tuples(st.sampled_from(["s1", "s2"]), st.integers(0, 4), st.none() | st.floats(50, 500)), min_size=1, max_size=12
)


@settings(max_examples=40, deadline=None)
@given(drawn=ROWS, draw=st.data())
def test_neither_order_nor_the_future_changes_a_row(
    drawn: list[tuple[str, int, float | None]], draw: st.DataObject
) -> None:
    rows = [utterance(f"u{i}", speaker, at, f0_mean_hz=f0) for i, (speaker, at, f0) in enumerate(drawn)]
    shuffled = draw.draw(st.permutations(rows))
    assert speakers(*rows) == speakers(*shuffled)
    noon = START + timedelta(minutes=2)
    past = [row for row in rows if row["event_timestamp"] <= noon]
    if past:
        assert speakers(*past) == [row for row in speakers(*rows) if row["event_timestamp"] <= noon]


def test_utterances_are_measured_and_sorted() -> None:
    config = FeaturesConfig(known_at=None, prosody=ProsodyConfig())
    times = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    tone = (0.3 * np.sin(2 * np.pi * 200 * times)).astype(np.float32)
    table = measure_utterances([spoken("b", tone), spoken("a", np.zeros(8_000, np.float32))], config)
    assert table.schema.equals(UTTERANCE_PROSODY)
    silent, sounding = table.to_pylist()
    assert (silent["utterance_id"], silent["f0_mean_hz"], silent["pause_share"]) == ("a", None, 1.0)
    assert sounding["f0_mean_hz"] == pytest.approx(200, rel=0.01)
    assert silent["created"] == START


def test_a_correction_is_known_since_it_was_made() -> None:
    later = START + timedelta(days=30)
    config = FeaturesConfig(known_at=later, prosody=ProsodyConfig())
    (row,) = measure_utterances([spoken("a", np.zeros(8_000, np.float32))], config).to_pylist()
    assert (row["event_timestamp"], row["created"]) == (START, later)
