"""Utterances whose letters are tones: a recogniser learns them in seconds."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from voxloop.config import find_config, load_config
from voxloop.tasks import asr

LETTERS = "abcd "
TINY = (
    "log_mel.mels=32",
    "network={channels: [8, 8], width: 32, layers: 1, heads: 2, expansion: 2, kernel: 5, dropout: 0.0}",
    "augmentation.masks=0",
    "perturbation.speeds=[1.0]",
)


def tiny_config(*overrides: str) -> asr.AsrConfig:
    """Return the smoke configuration with a smaller network and nothing random."""
    return load_config(asr.AsrConfig, find_config("tasks", "asr", "smoke"), (*TINY, *overrides))


def tone_row(text: str | None, name: str = "u1") -> dict[str, Any]:
    """Return what a manifest row says of such an utterance."""
    return {"utterance_id": name, "text": text, "language": "en", "speaker_id": "s1", "sample_rate": 16_000}


def tone_waveform(text: str, draw: np.random.Generator) -> npt.NDArray[np.int16]:
    """Return 0.15 to 0.25 s of a tone for each letter; a space is silence."""
    parts = [np.zeros(1_600)]
    for letter in text:
        time = np.arange(int(draw.integers(2_400, 4_000))) / 16_000
        pitch = 400.0 * 1.6 ** LETTERS.index(letter) * draw.uniform(0.97, 1.03)
        parts += [(letter != " ") * np.sin(2.0 * np.pi * pitch * time), np.zeros(480)]
    sound = np.concatenate([*parts, np.zeros(1_600)])
    return np.rint(8_000 * sound + 30 * draw.standard_normal(len(sound))).astype(np.int16)
