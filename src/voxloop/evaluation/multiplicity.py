"""Several claims at once: which of them stand when the chance of one false among them must stay small."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def holm(p_values: Sequence[float], alpha: float) -> npt.NDArray[np.bool_]:
    """Return which null hypotheses are rejected, bool [m], by Holm's step-down procedure.

    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979: the
    i-th smallest p-value (from 0) is held against alpha / (m - i), until one is larger. Whatever depends on whatever,
    the chance of any false rejection is at most alpha. A p-value that is NaN is not rejected and still counts in m.

    Args:
        p_values: One a hypothesis, in [0, 1] or NaN.
        alpha: The chance of any false rejection, in (0, 1).
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")  # NaN last
    passes = values[order] <= alpha / np.arange(len(values), 0, -1)
    rejected = np.zeros(len(values), dtype=np.bool_)
    rejected[order] = np.logical_and.accumulate(passes)
    return rejected
