"""Golden waveforms: sounds every export is tried with, made by a formula, so that anybody can make them again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voxloop.speech.waveform import SAMPLE_RATE


def golden_waveform(seconds: float, index: int) -> npt.NDArray[np.float32]:
    """Return a voice-like sound: ten harmonics of a gliding pitch, syllables, a little noise.

    Args:
        seconds: Its length.
        index: Which of several: another pitch and another noise.

    Returns:
        float32 [n], in [-1, 1], rounded to 16 bits.
    """
    draw = np.random.default_rng(index)
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    pitch = 110.0 * 1.3**index * (1.0 + 0.15 * np.sin(2.0 * np.pi * 0.7 * time))
    phase = 2.0 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    tone = sum(np.sin(order * phase) / order for order in range(1, 11))
    syllables = 0.5 - 0.5 * np.cos(2.0 * np.pi * 4.0 * time)
    sound = 0.2 * tone * syllables + 0.003 * draw.standard_normal(len(time))
    return (np.rint(np.clip(sound, -1.0, 0.999) * 32_768.0) / 32_768.0).astype(np.float32)
