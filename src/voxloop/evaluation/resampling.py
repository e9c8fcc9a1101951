"""Speakers drawn again with replacement: a picture of how a measure varies, and an interval without Student's t.

B. Efron, R. J. Tibshirani, "An introduction to the bootstrap", 1993. The resampled values are a picture alone: with few
speakers their percentiles lie too near (`docs/statistics.md`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voxloop.evaluation.intervals import Interval, jackknife
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


def bootstrap_t_interval(sums: Floats, measure: Measure, drawn: Codes, *, level: float) -> Interval:
    """Return the equal-tailed bootstrap-t interval over speakers.

    Each resample is studentised by its own jackknife, and quantiles of those take the place of Student's (Efron and
    Tibshirani 1993, section 12.5). A resample that cannot be studentised counts as if it lay beyond either end, so that
    many of them give infinite ends. It was measured to cover no better than `speaker_interval`, and is wider.

    Args:
        sums: As of `resample_values`.
        measure: What to measure.
        drawn: By `draw_speakers`; a thousand resamples or more.
        level: Two-sided confidence, in (0, 1).
    """
    whole = jackknife(sums, measure)
    if not whole.error > 0:
        return whole.interval(level, "bootstrap-t over speakers")
    step = max(1, BLOCK // max(1, sums.size))
    parts = [jackknife(sums[drawn[start : start + step]], measure) for start in range(0, len(drawn), step)]
    estimate, error = (np.concatenate([getattr(part, name) for part in parts]) for name in ("estimate", "error"))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = (estimate - whole.estimate) / error
    lowest, highest = (np.sort(np.where(np.isnan(ratios), beyond, ratios)) for beyond in (-np.inf, np.inf))
    place = int((1 - level) / 2 * (len(drawn) + 1)) - 1
    above, below = highest[len(drawn) - 1 - max(place, 0)], lowest[max(place, 0)]
    centre, scale = float(whole.estimate), float(whole.error)
    low, high = centre - float(above) * scale, centre - float(below) * scale
    return Interval(centre, low, high, level, "bootstrap-t over speakers", scale, float(whole.freedom))


def _count(drawn: Codes) -> Floats:
    """Return how often each speaker is in each resample, float64 [resamples, S]."""
    resamples, speakers = drawn.shape
    places = drawn + np.arange(resamples)[:, None] * speakers
    counts = np.bincount(places.ravel(), minlength=drawn.size)
    return counts.reshape(drawn.shape).astype(np.float64)
