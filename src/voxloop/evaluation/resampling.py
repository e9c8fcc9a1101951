"""Speakers drawn again with replacement: a picture of how a measure varies.

B. Efron, R. J. Tibshirani, "An introduction to the bootstrap", 1993. The resampled values are a picture alone: with few
speakers their percentiles lie too near (`docs/statistics.md`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voxloop.evaluation.summed_measures import Measure

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

BLOCK = 250_000
"""Numbers held at once: 2 MB of float64 stay in a core's cache."""


def draw_speakers(speakers: int, resamples: int, seed: int) -> Codes:
    """Return who is drawn in each resample, int64 [resamples, speakers], equal for equal seeds."""
    return np.random.default_rng(seed).integers(0, speakers, (resamples, speakers))


def resample_values(sums: Floats, measure: Measure, drawn: Codes) -> Floats:
    """Return the measure of each resample, float64 [resamples]: for a histogram, not for a verdict.

    Args:
        sums: Moments summed over each speaker, float64 [S, k].
        measure: What to measure.
        drawn: By `draw_speakers`, of S speakers.
    """
    step = max(1, BLOCK // max(1, len(sums)))
    blocks = [_count(drawn[start : start + step]) @ sums for start in range(0, len(drawn), step)]
    return measure.value(np.concatenate(blocks))


def _count(drawn: Codes) -> Floats:
    """Return how often each speaker is in each resample, float64 [resamples, S]."""
    resamples, speakers = drawn.shape
    places = drawn + np.arange(resamples)[:, None] * speakers
    counts = np.bincount(places.ravel(), minlength=drawn.size)
    return counts.reshape(drawn.shape).astype(np.float64)
