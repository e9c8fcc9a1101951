"""How well numbers agree with the numbers they stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def ccc(reference: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> float:
    """Concordance correlation coefficient: 1 only where both are equal, 0 for a constant prediction.

    L. I.-K. Lin, "A concordance correlation coefficient to evaluate reproducibility", Biometrics 45(1), 1989:
    2 cov / (var + var + (mean - mean)^2), with the moments of the sample (divided by n).

    Args:
        reference: What was wanted, [n].
        predicted: What was found, [n].

    Returns:
        A value in -1 … 1; NaN for fewer than two pairs, where one is not finite, or where both are the same constant.
    """
    wanted, found = _pairs(reference, predicted)
    if len(wanted) < 2 or not (np.isfinite(wanted).all() and np.isfinite(found).all()):
        return float("nan")
    shift = float(wanted.mean() - found.mean())
    spread = float(wanted.var() + found.var()) + shift * shift
    return 2.0 * _covariance(wanted, found) / spread if spread > 0 else float("nan")


def pearson(reference: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> float:
    """Pearson's correlation r, blind to shift and scale.

    Args:
        reference: What was wanted, [n].
        predicted: What was found, [n].

    Returns:
        A value in -1 … 1; NaN for fewer than two pairs, where one is not finite, or where either is constant.
    """
    wanted, found = _pairs(reference, predicted)
    if len(wanted) < 2 or not (np.isfinite(wanted).all() and np.isfinite(found).all()):
        return float("nan")
    if np.ptp(wanted) == 0.0 or np.ptp(found) == 0.0:
        return float("nan")
    spread = float(wanted.std() * found.std())
    return min(1.0, max(-1.0, _covariance(wanted, found) / spread)) if spread > 0 else float("nan")


def _pairs(
    reference: npt.NDArray[Any], predicted: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    wanted, found = np.asarray(reference, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if wanted.shape != found.shape or wanted.ndim != 1:
        raise ValueError(f"shapes {wanted.shape} and {found.shape}: two of [n] are compared")
    return wanted, found


def _covariance(wanted: npt.NDArray[np.float64], found: npt.NDArray[np.float64]) -> float:
    return float(((wanted - wanted.mean()) * (found - found.mean())).mean())
