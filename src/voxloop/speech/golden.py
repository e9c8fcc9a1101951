"""Golden waveforms: sounds every export is tried with, made by a formula, so that anybody can make them again."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import soundfile

from voxloop.speech.waveform import SAMPLE_RATE, decode_audio, to_int16

RATES = (8_000, 16_000, 48_000)
LOUD = 12.0
"""Times the level of a golden waveform: a third of its samples is beyond full scale."""


def golden_waveform(seconds: float, index: int, rate: int = SAMPLE_RATE) -> npt.NDArray[np.float32]:
    """Return a voice-like sound: ten harmonics of a gliding pitch, syllables, a little noise.

    Args:
        seconds: Its length.
        index: Which of several: another pitch and another noise.
        rate: Samples a second.

    Returns:
        float32 [n], in [-1, 1], rounded to 16 bits.
    """
    draw = np.random.default_rng(index)
    time = np.arange(round(seconds * rate)) / rate
    pitch = 110.0 * 1.3**index * (1.0 + 0.15 * np.sin(2.0 * np.pi * 0.7 * time))
    phase = 2.0 * np.pi * np.cumsum(pitch) / rate
    tone = sum(np.sin(order * phase) / order for order in range(1, 11))
    syllables = 0.5 - 0.5 * np.cos(2.0 * np.pi * 4.0 * time)
    sound = 0.2 * tone * syllables + 0.003 * draw.standard_normal(len(time))
    return (np.rint(np.clip(sound, -1.0, 0.999) * 32_768.0) / 32_768.0).astype(np.float32)


def golden_sounds() -> dict[str, npt.NDArray[np.int16]]:
    """Return a sound of every kind that a server must bear, int16 [n] at 16 kHz, by kind.

    Recordings at 8, 16 and 48 kHz, decoded as any other; digital silence, clipping, 0.1 s and 60 s, which foreign sound
    is refused for before a model hears it, and a model must bear nevertheless.
    """
    sounds = {f"{rate // 1000} kHz": _record(rate) for rate in RATES}
    sounds["silence"] = np.zeros(SAMPLE_RATE, np.int16)
    sounds["clipping"] = to_int16(np.clip(LOUD * golden_waveform(1.0, 0), -1.0, 1.0))
    return sounds | {f"{seconds:g} s": to_int16(golden_waveform(seconds, 1)) for seconds in (0.1, 60.0)}


def _record(rate: int) -> npt.NDArray[np.int16]:
    """Return a sound as it is decoded from a WAV of this rate."""
    file = io.BytesIO()
    soundfile.write(file, golden_waveform(1.5, 0, rate), rate, format="WAV", subtype="PCM_16")
    return to_int16(decode_audio(file.getvalue(), name=f"a golden sound at {rate} Hz"))
