"""A dataset folder of noise with random transcripts, as long and as wordy as read speech: nothing is downloaded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np

from voxloop.data.manifest import Manifest, write_manifest
from voxloop.data.schema import SCHEMA_VERSION, Utterance, make_row
from voxloop.data.shards import ShardWriter
from voxloop.data.text import NORMALISER_VERSION
from voxloop.speech.waveform import SAMPLE_RATE

LEVEL = 0.1
SOUNDS = 256
"""Different sounds at most: what is made beyond them is said again, with other words, so that little is encoded."""
TOKENS_A_SECOND = (3.4, 0.6)
"""Mean and standard deviation over utterances. LibriSpeech has 2.7 words a second, a word about 1.3 of 1,024 pieces."""
DEV_UTTERANCES = 4
SHARD_BYTES = 256 * 2**20


@dataclass(frozen=True)
class NoiseConfig:
    """How much of it.

    Args:
        minutes: Of the training split.
        vocabulary: Different words, each of which the training split says.
        seconds: Shortest, likeliest and longest utterance, of a triangular distribution. Those given are about
            LibriSpeech's (V. Panayotov et al., ICASSP 2015): 12.3 s on average, most just below the longest.
    """

    minutes: float
    vocabulary: int = 1024
    seconds: tuple[float, float, float] = (2.0, 15.5, 16.5)


def write_noise(folder: Path, config: NoiseConfig, seed: int = 0) -> Path:
    """Write the dataset folder, as ingest writes one, and return it."""
    folder.mkdir()
    hours = 0.0
    counts = {"train": 0, "dev": 0}
    with ShardWriter(folder, shard_bytes=SHARD_BYTES) as writer:
        for row in make_rows(config, seed):
            writer.write(row)
            hours += row["duration_s"] / 3600.0
            counts[row["split"]] += 1
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        corpus="noise",
        parallel_texts=False,
        text_normaliser=NORMALISER_VERSION,
        config={},
        utterances=sum(counts.values()),
        hours=hours,
        speakers=len(counts),
        labels={},
        numbers={},
        splits={split: {"utterances": count, "speakers": 1} for split, count in counts.items()},
        shards=tuple(writer.entries),
        quarantined={},
        left_out=0,
        erased=0,
    )
    write_manifest(manifest, folder)
    return folder


def make_rows(config: NoiseConfig, seed: int) -> Iterator[dict[str, Any]]:
    """Give the rows of train, then those of dev."""
    draw = np.random.default_rng(seed)
    count = math.ceil(config.minutes * 60.0 / (sum(config.seconds) / 3.0))
    words = say_words(config.vocabulary, draw)
    sounds = [_make_sound(config, number, draw) for number in range(min(SOUNDS, count))]
    for number in range(count + DEV_UTTERANCES):
        sound = sounds[number % len(sounds)]
        rate = float(np.clip(draw.normal(*TOKENS_A_SECOND), 1.5, 6.0))
        said = [next(words) for _ in range(max(1, round(rate * sound["duration_s"])))]
        split = "train" if number < count else "dev"
        yield {**sound, "utterance_id": f"n{number}", "speaker_id": split, "text": " ".join(said), "split": split}


def say_words(vocabulary: int, draw: np.random.Generator) -> Iterator[str]:
    """Give words without end: all of the vocabulary in one order after another, so that none is left out."""
    known = [
        "".join(letters) for letters, _ in zip(product(ascii_lowercase, repeat=3), range(vocabulary), strict=False)
    ]
    while True:
        yield from (known[place] for place in draw.permutation(vocabulary))


def _make_sound(config: NoiseConfig, number: int, draw: np.random.Generator) -> dict[str, Any]:
    samples = round(draw.triangular(*config.seconds) * SAMPLE_RATE)
    utterance = Utterance(
        utterance_id=f"n{number}",
        speaker_id="nobody",
        waveform=(LEVEL * draw.standard_normal(samples)).astype(np.float32),
        recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
        source="noise",
        licence="CC0-1.0",
        language="en",
    )
    return make_row(utterance, "train")
