"""Distances between two sets of histograms: PSI, Jensen-Shannon, Wasserstein; many pairs at once.

* PSI, the population stability index: B. Yurdakul, "Statistical Properties of Population Stability Index" (2018).
* Jensen-Shannon distance, the root of the divergence in bits: J. Lin, IEEE Trans. Inf. Theory 37 (1991).
* Wasserstein distance of order 1 between numbers, in standard deviations of the reference: the area between the two
  distribution functions (S. S. Vallender, Theory Probab. Appl. 18, 1974), a bin's values taken for their mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voxloop.monitoring.drift.columns import Column, Floats, slice_columns

PSI, JENSEN_SHANNON, WASSERSTEIN = "PSI", "Jensen-Shannon", "Wasserstein"
SMOOTHING = 0.5
"""Rows that every bin is given beside its own (H. Jeffreys): PSI of an empty bin is infinite."""


@dataclass(frozen=True)
class Measure:
    """A distance of a column."""

    name: str
    column: str


def list_measures(columns: Sequence[Column]) -> list[Measure]:
    """Return what `measure_distances` measures, in its order."""
    return [
        Measure(name, column.name)
        for column in columns
        for name in ((PSI, JENSEN_SHANNON, WASSERSTEIN) if column.is_numeric else (PSI, JENSEN_SHANNON))
    ]


def measure_distances(columns: Sequence[Column], window: Floats, reference: Floats) -> Floats:
    """Return the distances of pairs of histograms, float64 [pairs, measures].

    Args:
        columns: With their bins.
        window: Rows in each bin, float64 [pairs, bins of all columns]; they need not be whole.
        reference: The same of the reference.
    """
    found = []
    for column, place in zip(columns, slice_columns(columns), strict=True):
        ours, theirs = window[:, place], reference[:, place]
        rows = ours.sum(axis=1, keepdims=True)
        p, q = _smooth(_share(ours), rows), _smooth(_share(theirs), rows)
        found += [((p - q) * np.log(p / q)).sum(axis=1), _jensen_shannon(p, q)]
        if column.is_numeric:
            found.append(_wasserstein(column, ours[:, :-1], theirs[:, :-1]))
    return np.stack(found, axis=1) if found else np.zeros((len(window), 0))


def _share(rows: Floats) -> Floats:
    return np.asarray(rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-12))


def _smooth(share: Floats, rows: Floats) -> Floats:
    """Return shares none of which is zero: both sides by as many rows as the window has."""
    return np.asarray((share * rows + SMOOTHING) / (rows + SMOOTHING * share.shape[1]))


def _jensen_shannon(p: Floats, q: Floats) -> Floats:
    middle = (p + q) / 2
    divergence = (p * np.log2(p / middle) + q * np.log2(q / middle)).sum(axis=1) / 2
    return np.asarray(np.sqrt(np.maximum(divergence, 0.0)))


def _wasserstein(column: Column, ours: Floats, theirs: Floats) -> Floats:
    gaps = np.abs(np.cumsum(_share(ours) - _share(theirs), axis=1))[:, :-1]
    return np.asarray(gaps @ np.diff(np.asarray(column.centres)) / column.scale)
