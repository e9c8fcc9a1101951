"""How far two outputs for one request are apart: torch and the graph at export, export and server at a promotion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]
LOGARITHMS = "log_"
"""Outputs with names that begin so are compared as what they are logarithms of: rounding of 5e-5 in a spectrogram moved
a log-probability of -7 by 5e-4, its probability by 5e-7."""


def difference(recorded: Arrays, answered: Arrays) -> float:
    """Return the largest difference of all outputs.

    Args:
        recorded: Outputs by name.
        answered: The same ones; others are not looked at.

    Returns:
        Of numbers, or of what they are logarithms of; infinite where an output is missing, has another shape or type,
        is not finite, or is a count that differs.
    """
    return max((_difference_of(name, values, answered.get(name)) for name, values in recorded.items()), default=0.0)


def _difference_of(name: str, here: Array, there: Array | None) -> float:
    if there is None or there.shape != here.shape or there.dtype != here.dtype:
        return float("inf")
    if not np.issubdtype(here.dtype, np.floating):  # counts and indices are right or wrong
        return 0.0 if np.array_equal(here, there) else float("inf")
    if not (np.isfinite(here).all() and np.isfinite(there).all()):
        return float("inf")
    one, other = here.astype(np.float64), there.astype(np.float64)
    if name.startswith(LOGARITHMS):
        one, other = np.exp(one), np.exp(other)
    return float(np.abs(one - other).max(initial=0.0))
