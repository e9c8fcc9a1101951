"""Datasets of noises that a fingerprint tells apart, made with the writer that `ingest` uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from voxloop.config import find_config, load_config
from voxloop.data.leakage import LeakageConfig
from voxloop.data.manifest import Manifest, write_manifest
from voxloop.data.schema import SCHEMA_VERSION, Utterance, make_row
from voxloop.data.shards import ShardWriter
from voxloop.data.splits import SPLITS
from voxloop.speech.waveform import SAMPLE_RATE, Waveform

CONFIG = load_config(LeakageConfig, find_config("leakage", "emotion"))
SPEAKERS = {"train": ("t1", "t2"), "dev": ("d1",), "test": ("e1", "e2")}


def make_voice(seed: int, seconds: float = 2.0) -> Waveform:
    """Return noise whose spectrum changes every 80 ms, at a quarter of full scale."""
    draw = np.random.default_rng(seed)
    pieces = []
    for _ in range(round(seconds / 0.08)):
        noise = draw.standard_normal(round(0.08 * SAMPLE_RATE))
        tilt = draw.uniform(-0.9, 0.9)
        pieces.append(noise + tilt * np.roll(noise, draw.integers(1, 12)))
    sound = np.concatenate(pieces)
    return np.asarray(0.25 * sound / np.abs(sound).max(), dtype=np.float32)


def make_utterance(speaker: str, number: int, **changed: Any) -> Utterance:
    """Return an utterance of one second that shares nothing with any other."""
    name = f"{speaker}-{number}"
    whole = Utterance(
        utterance_id=name,
        speaker_id=speaker,
        waveform=make_voice(int.from_bytes(name.encode()), seconds=1.0),
        recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
        source="by hand",
        licence="CC0-1.0",
        session_id=f"{speaker}-s0",
        language="en",
        text=f"sentence number {number} of {speaker}",
        emotion=("anger", "neutral")[number % 2],
    )
    return replace(whole, **changed)


def make_rows(speakers: Mapping[str, Iterable[str]] = SPEAKERS, repeats: int = 2) -> list[dict[str, Any]]:
    """Return the rows of speakers by split; nothing is on two sides."""
    return [
        make_row(make_utterance(speaker, number), split)
        for split, names in speakers.items()
        for speaker in names
        for number in range(repeats)
    ]


def leak(**changed: Any) -> dict[str, Any]:
    """Return a training row of its own in which something is changed."""
    return make_row(make_utterance("t3", 0, **changed), "train")


def write_rows(folder: Path, rows: Iterable[dict[str, Any]], *, parallel_texts: bool = False) -> Path:
    """Write a dataset of these rows."""
    rows = list(rows)
    folder.mkdir(parents=True)
    with ShardWriter(folder, shard_bytes=2**24) as writer:
        for row in rows:
            writer.write(row)
    splits = {split: [row["speaker_id"] for row in rows if row["split"] == split] for split in SPLITS}
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        corpus="by hand",
        parallel_texts=parallel_texts,
        text_normaliser="1",
        config={},
        utterances=len(rows),
        hours=0.0,
        speakers=len({row["speaker_id"] for row in rows}),
        labels={"emotion": {}},
        numbers={},
        splits={split: {"utterances": len(found), "speakers": len(set(found))} for split, found in splits.items()},
        shards=tuple(writer.entries),
        quarantined={},
        left_out=0,
        erased=0,
    )
    write_manifest(manifest, folder)
    return folder
