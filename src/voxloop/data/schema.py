"""What an utterance row is: the columns of every shard, in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from voxloop.speech.waveform import SAMPLE_RATE, Waveform, encode_flac, measure_loudness
from voxloop.store.digests import digest_bytes

SCHEMA_VERSION = 2
"""Another version is one that this code could not read; a column of `ADDED_COLUMNS` makes none."""


def _column(name: str, kind: pa.DataType, *, required: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=not required)


UTTERANCE_SCHEMA = pa.schema(
    [
        _column("utterance_id", pa.string(), required=True),
        _column("audio", pa.binary()),
        _column("sample_rate", pa.int32()),
        _column("num_samples", pa.int64()),
        _column("duration_s", pa.float64()),
        _column("loudness_dbfs", pa.float64()),
        _column("sha256", pa.string(), required=True),
        _column("speaker_id", pa.string(), required=True),
        _column("session_id", pa.string()),
        _column("recorded_at", pa.timestamp("us", tz="UTC"), required=True),
        _column("language", pa.string()),
        _column("text", pa.string()),
        _column("emotion", pa.string()),
        _column("openness", pa.float64()),
        _column("conscientiousness", pa.float64()),
        _column("extraversion", pa.float64()),
        _column("agreeableness", pa.float64()),
        _column("neuroticism", pa.float64()),
        _column("gender", pa.string()),
        _column("age", pa.int32()),
        _column("device", pa.string()),
        _column("source", pa.string(), required=True),
        _column("licence", pa.string(), required=True),
        _column("split", pa.string(), required=True),
    ]
)
"""`audio` is 16 kHz mono 16-bit FLAC, `sha256` the digest of those bytes, `loudness_dbfs` their root mean square in dB
of full scale, `text` what `data.text` normalised, `device` what a recording was made with, in the words of its corpus.
Traits are on their corpus' own scale. Labels may be null: one corpus
seldom has all of them. A row of words alone (essays, transcripts) has null for audio and what is measured of it, and
`sha256` is the digest of its text."""

ADDED_COLUMNS = ("device",)
"""Columns that shards written before them lack, each of which may be null: there it reads as null."""

TRAITS = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")
"""The Big Five, as columns."""

MANIFEST_COLUMNS = tuple(name for name in UTTERANCE_SCHEMA.names if name != "audio")
"""Every column but the audio."""

QUARANTINE_SCHEMA = pa.schema(
    [
        _column("path", pa.string(), required=True),
        _column("reason", pa.string(), required=True),
        _column("detail", pa.string(), required=True),
    ]
)


@dataclass(frozen=True)
class Utterance:
    """One utterance as a corpus reader gives it: sound, and what is known about it.

    Args:
        waveform: float32 [n], 16 kHz, in [-1, 1]; None for an utterance of words alone, which must have a text.
        recorded_at: Aware, UTC.
        text: As the corpus spells it.
        device: What it was recorded with, as the corpus or the platform says; None where neither does.
        traits: Big-Five scores by column name, where known.
        measures: Numbers that a corpus gives instead of the sound, by name; they are kept in `measures.parquet`.
    """

    utterance_id: str
    speaker_id: str
    waveform: Waveform | None
    recorded_at: datetime
    source: str
    licence: str
    session_id: str | None = None
    language: str | None = None
    text: str | None = None
    emotion: str | None = None
    gender: str | None = None
    age: int | None = None
    device: str | None = None
    traits: dict[str, float] = field(default_factory=dict)
    measures: dict[str, float] = field(default_factory=dict)


def make_row(utterance: Utterance, split: str) -> dict[str, Any]:
    """Return the row of one utterance, its audio encoded; keys are the names of `UTTERANCE_SCHEMA`."""
    given = {name: getattr(utterance, name, None) for name in UTTERANCE_SCHEMA.names}
    heard = _describe_words(utterance) if utterance.waveform is None else _describe_sound(utterance.waveform)
    return {**given, **utterance.traits, **heard, "split": split}


def fill_added(table: pa.Table, columns: Iterable[str]) -> pa.Table:
    """Return the table with those of the columns that are `ADDED_COLUMNS` and that it lacks, null in every row."""
    for name in columns:
        if name in ADDED_COLUMNS and name not in table.column_names:
            field = UTTERANCE_SCHEMA.field(name)
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table


def _describe_sound(waveform: Waveform) -> dict[str, Any]:
    audio = encode_flac(waveform)
    return {
        "audio": audio,
        "sample_rate": SAMPLE_RATE,
        "num_samples": len(waveform),
        "duration_s": len(waveform) / SAMPLE_RATE,
        "loudness_dbfs": measure_loudness(waveform),
        "sha256": digest_bytes(audio),
    }


def _describe_words(utterance: Utterance) -> dict[str, Any]:
    return {"audio": None, "sha256": digest_bytes((utterance.text or "").encode())}
