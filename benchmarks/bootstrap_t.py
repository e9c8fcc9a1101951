"""The interval that the gate's is held against: bootstrap-t over speakers. No verdict rests on it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voxloop.evaluation.intervals import Interval, jackknife
from voxloop.evaluation.resampling import BLOCK
from voxloop.evaluation.summed_measures import Measure

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


def bootstrap_t_interval(sums: Floats, measure: Measure, drawn: Codes, *, level: float) -> Interval:
    """Return the equal-tailed bootstrap-t interval over speakers.

    Each resample is studentised by its own jackknife, and quantiles of those take the place of Student's (B. Efron,
    R. J. Tibshirani, "An introduction to the bootstrap", 1993, section 12.5). A resample that cannot be studentised
    counts as if it lay beyond either end, so that many of them give infinite ends. It was measured to cover no better
    than `speaker_interval`, and is wider.

    Args:
        sums: Moments summed over each speaker, float64 [S, k].
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
