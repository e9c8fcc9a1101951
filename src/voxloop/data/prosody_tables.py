"""Prosody as tables for the feature store: a row an utterance, and a running row a speaker."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

import pyarrow as pa
from pydantic import AwareDatetime

from voxloop.config import StrictModel
from voxloop.data.running_means import follow_means
from voxloop.speech.prosody import Prosody, ProsodyConfig, measure_prosody
from voxloop.speech.waveform import Waveform

MEASURES = tuple(field.name for field in fields(Prosody))
AVERAGED = tuple(name for name in MEASURES if name != "sounding_seconds")
"""What a speaker's row holds the running mean of; sounding seconds are summed."""
MOMENT = pa.timestamp("us", tz="UTC")


class FeaturesConfig(StrictModel):
    """How the tables are made."""

    known_at: AwareDatetime | None
    """Since when the numbers are known; None: since each utterance was recorded."""
    prosody: ProsodyConfig


def _schema(key: str, *others: pa.Field) -> pa.Schema:
    keys = [pa.field(key, pa.string(), nullable=False), *others]
    times = [pa.field(name, MOMENT, nullable=False) for name in ("event_timestamp", "created")]
    return pa.schema([*keys, *times, *(pa.field(name, pa.float64()) for name in MEASURES)])


UTTERANCE_PROSODY = _schema("utterance_id", pa.field("speaker_id", pa.string(), nullable=False))
"""One row an utterance, sorted by its id. `event_timestamp` is `recorded_at`; null where nothing was voiced."""

SPEAKER_PROSODY = _schema("speaker_id", pa.field("utterances", pa.int64(), nullable=False))
"""One row a speaker and moment of recording: means over all their utterances until then, this moment's included."""


def measure_utterances(rows: Iterable[tuple[dict[str, Any], Waveform]], config: FeaturesConfig) -> pa.Table:
    """Measure every utterance.

    Args:
        rows: As `voxloop.data.shards.iter_audio` yields them.
        config: How to measure, and since when the result is known.

    Returns:
        A table of `UTTERANCE_PROSODY`.
    """
    measured = [_utterance_row(row, waveform, config) for row, waveform in rows]
    measured.sort(key=lambda row: str(row["utterance_id"]))
    return pa.Table.from_pylist(measured, schema=UTTERANCE_PROSODY)


def follow_speakers(utterances: pa.Table) -> pa.Table:
    """Return the running prosody of each speaker.

    Args:
        utterances: A table of `UTTERANCE_PROSODY`.

    Returns:
        A table of `SPEAKER_PROSODY`, sorted by speaker and time.
    """
    return follow_means(utterances, SPEAKER_PROSODY, averaged=AVERAGED, summed=["sounding_seconds"])


def make_prosody_row(
    row: Mapping[str, Any], measured: Mapping[str, float], known_at: datetime | None = None
) -> dict[str, Any]:
    """Return the row of `UTTERANCE_PROSODY` of an utterance that was measured.

    Args:
        row: With `utterance_id`, `speaker_id` and `recorded_at`.
        measured: A number for each of `MEASURES`; NaN becomes null.
        known_at: Since when the numbers are known; None: since the utterance was recorded.
    """
    recorded: datetime = row["recorded_at"]
    return {
        "utterance_id": row["utterance_id"],
        "speaker_id": row["speaker_id"],
        "event_timestamp": recorded,
        "created": max(recorded, known_at or recorded),
        **{name: None if math.isnan(measured[name]) else measured[name] for name in MEASURES},
    }


def _utterance_row(row: dict[str, Any], waveform: Waveform, config: FeaturesConfig) -> dict[str, Any]:
    return make_prosody_row(row, asdict(measure_prosody(waveform, config.prosody)), config.known_at)
