"""Requests of several rows, joined into one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

FULL_SCALE = 32_768.0
"""One, in 16-bit samples."""


def pad_rows(rows: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Stack arrays of one rank, [batch, …], zeros behind the shorter ones; int16 becomes float32 in [-1, 1]."""
    rows = [np.asarray(row) for row in rows]
    shape = (len(rows), *np.max([row.shape for row in rows], axis=0).astype(int))
    sound = rows[0].dtype == np.int16
    joined = np.zeros(shape, dtype=np.float32 if sound else rows[0].dtype)
    for place, row in enumerate(rows):
        extent: tuple[int | slice, ...] = (place, *(slice(0, size) for size in row.shape))
        joined[extent] = row / np.float32(FULL_SCALE) if sound else row
    return joined
