"""Digits of virtual speakers, to train on beside a corpus of few people.

Four or five people to learn from say little of how others speak; eSpeak NG has accents and voices in plenty. Nothing of
it is ever tested on. A. Rosenberg et al., "Speech recognition with augmented synthesized speech", ASRU 2019, mix in
synthesised speech for the same reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import soxr
from pydantic import Field

from voxloop.config import StrictModel
from voxloop.speech.espeak import ESPEAK_RATE, FASTEST, SLOWEST, SpokenRequest, speak
from voxloop.speech.waveform import SAMPLE_RATE, Waveform

SILENT_SHARE = 0.02
"""Of the loudest sample: what is softer before the first and after the last louder one is cut off."""

_PREFIX = "voice-"


class VoicesConfig(StrictModel):
    """Who speaks, and how differently."""

    speakers: int = Field(ge=1)
    takes: int = Field(ge=1)
    """Times that each speaker says each digit."""
    train: int = Field(ge=1)
    """Strings of each speaker to train on."""
    folds: tuple[str, ...] = Field(min_length=1)
    """Names of the folds in which they are learned from: where the test's speakers are known, others say little."""
    accents: tuple[str, ...] = Field(min_length=1)
    """eSpeak NG's; a speaker has one of them, and one variant."""
    variants: tuple[str, ...] = Field(min_length=1)
    slowest: int = Field(default=100, ge=SLOWEST)
    """Words a minute of the slowest speaker; each has a pace of his own, evenly on a logarithmic scale."""
    fastest: int = Field(default=240, le=FASTEST)
    tract_sd: float = Field(default=0.1, ge=0.0)
    """Spread of the logarithm of a factor on all of a speaker's frequencies."""
    seed: int = Field(default=0, ge=0)


def is_voice(speaker: str) -> bool:
    """Tell whether a speaker is one of these."""
    return speaker.startswith(_PREFIX)


def speak_digits(config: VoicesConfig, clips: Sequence[dict[str, Any]]) -> dict[str, tuple[dict[str, Any], Waveform]]:
    """Return a row, in train, and a waveform (float32 [n], 16 kHz) of each digit, speaker and take, by utterance id.

    Args:
        config: Who speaks.
        clips: Rows of the corpus: how each digit is written, and its language, licence and time.
    """
    words = {row["utterance_id"].partition("-")[2][0]: row for row in clips}
    spoken: dict[str, tuple[dict[str, Any], Waveform]] = {}
    for number in range(config.speakers):
        name = f"{_PREFIX}{number:03d}"
        for digit, take, waveform in _speak_all(config, number, {digit: str(words[digit]["text"]) for digit in words}):
            key = f"fsdd-{digit}_{name}_{take}"
            said = {"utterance_id": key, "speaker_id": name, "source": "eSpeak NG", "gender": None, "split": "train"}
            spoken[key] = ({**words[digit], **said}, waveform)
    return spoken


def _speak_all(config: VoicesConfig, number: int, words: Mapping[str, str]) -> Iterator[tuple[str, int, Waveform]]:
    """Give each digit of one speaker, every take of it."""
    draw = np.random.default_rng((config.seed, number))
    voice = f"{draw.choice(config.accents)}+{draw.choice(config.variants)}"
    pitch, tract = draw.uniform(20, 80), float(np.exp(config.tract_sd * draw.standard_normal()))
    rate = np.exp(draw.uniform(np.log(config.slowest), np.log(config.fastest)))
    for digit, word in sorted(words.items()):
        for take in range(config.takes):
            request = SpokenRequest(
                word,
                voice,
                rate=round(float(np.clip(rate * np.exp(0.1 * draw.standard_normal()), SLOWEST, FASTEST))),
                pitch=round(float(np.clip(pitch + 8.0 * draw.standard_normal(), 0, 99))),
                pitch_range=int(draw.integers(20, 80)),
            )
            yield digit, take, _record(request, tract)


def _record(request: SpokenRequest, tract: float) -> Waveform:
    spoken = speak(request).astype(np.float32) / np.float32(32_768.0)
    loud = np.flatnonzero(np.abs(spoken) > SILENT_SHARE * np.abs(spoken).max())
    kept = spoken[loud[0] : loud[-1] + 1]
    heard: Waveform = np.clip(soxr.resample(kept, ESPEAK_RATE * tract, SAMPLE_RATE), -1.0, 1.0)
    return heard
