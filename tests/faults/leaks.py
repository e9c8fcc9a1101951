"""Leaks as they happen: a test recording copied into training, encoded again, made louder, cut, under another name."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import soundfile
from numpy.random import Generator

from voxloop.data.leakage_report import Kind
from voxloop.data.schema import Utterance
from voxloop.speech.waveform import SAMPLE_RATE, Waveform

SHIFT = SAMPLE_RATE // 10
OPUS_LEVELS = (0.9, 0.95, 0.99)
"""libsndfile's compression levels: about 30, 20 and 8 kbit/s."""


def copy(waveform: Waveform, _draw: Generator) -> Waveform:
    return waveform


def encode_opus(waveform: Waveform, draw: Generator) -> Waveform:
    buffer = io.BytesIO()
    level = OPUS_LEVELS[draw.integers(len(OPUS_LEVELS))]
    soundfile.write(buffer, waveform, SAMPLE_RATE, format="OGG", subtype="OPUS", compression_level=level)
    buffer.seek(0)
    return np.asarray(soundfile.read(buffer, dtype="float32")[0], dtype=np.float32)


def change_level(waveform: Waveform, draw: Generator) -> Waveform:
    gain = 10.0 ** (draw.choice([-6.0, 6.0]) / 20.0)
    return np.asarray(np.clip(waveform * np.float32(gain), -1.0, 1.0), dtype=np.float32)


def shift(waveform: Waveform, draw: Generator) -> Waveform:
    """Return the waveform 100 ms later behind silence, or without its first 100 ms."""
    if draw.random() < 0.5:
        return np.concatenate([np.zeros(SHIFT, dtype=np.float32), waveform])
    return waveform[SHIFT:]


def trim(waveform: Waveform, draw: Generator) -> Waveform:
    """Return the waveform cut at both ends, at no multiple of a frame."""
    return waveform[draw.integers(400, SHIFT) : -draw.integers(400, SHIFT)]


def add_noise(waveform: Waveform, draw: Generator) -> Waveform:
    level = np.sqrt(np.mean(np.square(waveform, dtype=np.float64))) * 10.0 ** (-20.0 / 20.0)
    noise = draw.standard_normal(len(waveform)) * level
    return np.asarray(np.clip(waveform + noise, -1.0, 1.0), dtype=np.float32)


SOUNDS: dict[str, tuple[Callable[[Waveform, Generator], Waveform], Kind]] = {
    "exact": (copy, "exact"),
    "opus": (encode_opus, "near"),
    "6 dB": (change_level, "near"),
    "100 ms": (shift, "near"),
    "cut": (trim, "near"),
    "20 dB noise": (add_noise, "near"),
}
"""What is done to a recording, and the kind of leak it must be found as."""


def leak_sound(kind: str, heard: Utterance, taken_by: Utterance, draw: Generator) -> Utterance:
    """Return a training utterance that holds the recording `heard`, with the id and the words of `taken_by`'s speaker.

    Neither speaker, session, id nor sentence gives it away: the sound alone does.
    """
    assert heard.waveform is not None
    spoilt = SOUNDS[kind][0](heard.waveform, draw)
    return replace(taken_by, utterance_id=f"leak-{draw.integers(2**63)}", waveform=spoilt)


def leak_sentence(heard: Utterance, taken_by: Utterance, draw: Generator) -> Utterance:
    """Return a training utterance with its own voice and the words of `heard`, in another spelling."""
    assert heard.text is not None
    return replace(taken_by, utterance_id=f"leak-{draw.integers(2**63)}", text=f"  {heard.text.upper()} ")
