"""How a voice, a room and a line colour speech, in 48 numbers that no model has a part in.

Mean and standard deviation, over the frames that sound, of 24 mel bands in dB. The mean of a band is given beside the
mean of all, so how loud somebody speaks is not in it: ten decibels more change nothing. Frames, and which of them
sound, are those of prosody; every second is looked at, for they overlap by more than half.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from voxloop.speech.prosody import ProsodyConfig, cut_frames, find_sounding, measure_levels
from voxloop.speech.waveform import SAMPLE_RATE, Waveform

Embedding = NDArray[np.float32]
BANDS = 24
EMBEDDED = 2 * BANDS
"""Numbers of an embedding: means, then standard deviations, from the lowest band to the highest."""
LOWEST_HZ, HIGHEST_HZ = 60.0, 7_600.0
EVERY = 2
RANGE_DB = 60.0
"""What lies farther below the loudest band of the loudest frame is taken to lie there: below it the rounding to 16 bits
is measured, and of a band that a codec left empty its floor, which would say how loud the rest is."""
SILENCE = 1e-12


def embed_sound(waveform: Waveform, config: ProsodyConfig | None = None) -> Embedding | None:
    """Return the embedding of a sound, float32 [48], dB; None where nothing sounds.

    Args:
        waveform: float32 [n], 16 kHz, mono, in [-1, 1].
        config: What a frame is, and which of them sound.

    Raises:
        InputError: It is not one-dimensional, is empty, or holds NaN or infinity.
    """
    config = config or ProsodyConfig()
    _, frames = cut_frames(waveform, config)
    chosen = np.flatnonzero(find_sounding(measure_levels(frames), config))[::EVERY]
    if not len(chosen):
        return None
    window, filters = _make_filters(config.frame)
    spectra = np.fft.rfft(frames[chosen] * window, axis=1)
    power = (spectra.real**2 + spectra.imag**2) @ filters
    levels = 10.0 * np.log10(np.maximum(power, max(float(power.max()) * 10.0 ** (-RANGE_DB / 10.0), SILENCE)))
    means = levels.mean(axis=0, dtype=np.float64)
    return np.concatenate([means - means.mean(), levels.std(axis=0, dtype=np.float64)]).astype(np.float32)


@lru_cache(maxsize=4)
def _make_filters(frame: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a Hann window, float32 [frame], and triangles of unit height, float32 [frame // 2 + 1, 24].

    They stand on the mel scale (2595 log10(1 + f / 700), The HTK Book 3.4, section 5.6).
    """
    hertz = np.linspace(0.0, SAMPLE_RATE / 2, frame // 2 + 1)
    ends = 2595.0 * np.log10(1.0 + np.array([LOWEST_HZ, HIGHEST_HZ]) / 700.0)
    edges = 700.0 * (10.0 ** (np.linspace(float(ends[0]), float(ends[1]), BANDS + 2) / 2595.0) - 1.0)
    left, middle, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = np.minimum((hertz - left) / (middle - left), (right - hertz) / (right - middle)).clip(min=0.0)
    return np.hanning(frame + 1)[:-1].astype(np.float32), triangles.T.astype(np.float32)
