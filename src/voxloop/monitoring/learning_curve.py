"""The learning curve of past runs: what more data of the same kind let expect.

error = a + b · n^-c, n in hours of training data, fitted by least squares. Such power laws hold over orders of
magnitude (J. Hestness et al., "Deep Learning Scaling is Predictable, Empirically", 2017); this knows nothing of drift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voxloop.monitoring.decision import LEAST_AMOUNTS

_STEEPNESSES = tuple(float(one) for one in np.linspace(0.0, 2.0, 401))
"""Exponents that are tried; in the literature they are between 0.07 and 0.5."""


@dataclass(frozen=True)
class LearningCurve:
    """error = floor + scale · (hours / unit)^-steepness; none of them is negative, so that more data is never worse.

    Args:
        floor: The error that no data take away.
        scale: The rest of it, at `unit` hours.
        steepness: How fast that falls.
        unit: In hours.
    """

    floor: float
    scale: float
    steepness: float
    unit: float

    def error_at(self, hours: float) -> float:
        """Return the error to expect after training on so many hours, above 0."""
        return float(self.floor + self.scale * (hours / self.unit) ** -self.steepness)

    def gain(self, before: float, after: float) -> float:
        """Return by how much the error is expected to fall from so many hours to so many, 0 where they are not more."""
        return self.error_at(before) - self.error_at(max(before, after))


def count_amounts(hours: Sequence[float]) -> int:
    """Return how many different amounts of data there are; what differs by less than a thousandth is one."""
    return len({round(float(np.log(one)), 3) for one in hours if one > 0})


def fit_curve(hours: Sequence[float], errors: Sequence[float]) -> LearningCurve | None:
    """Fit the curve.

    Args:
        hours: Of training data of each run.
        errors: Of each run, not negative.

    Returns:
        None with too few different amounts of data.
    """
    from scipy.optimize import nnls

    pairs = [(one, error) for one, error in zip(hours, errors, strict=True) if one > 0 and np.isfinite(error)]
    if count_amounts([one for one, _ in pairs]) < LEAST_AMOUNTS:
        return None
    amounts, seen = (np.array(column, dtype=np.float64) for column in zip(*sorted(pairs), strict=True))
    unit = float(np.exp(np.log(amounts).mean()))

    def fit(steepness: float) -> tuple[float, LearningCurve]:
        columns = np.column_stack([np.ones_like(amounts), (amounts / unit) ** -steepness])
        (floor, scale), residual = nnls(columns, seen)
        return float(residual), LearningCurve(float(floor), float(scale), steepness, unit)

    # For one exponent the rest is linear, so no start can be a wrong one; of equals the flattest.
    return min(map(fit, _STEEPNESSES), key=lambda fitted: fitted[0])[1]
