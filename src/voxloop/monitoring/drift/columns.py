"""What of a prediction is watched, and the bins that the reference fixes for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from voxloop.data.prosody_tables import MEASURES

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

MOST_EDGES = 255
"""Places of a value fit into a byte."""
BLOCK = 16_384
"""Values placed at once: they stay in the processor's cache."""
MEASURED = ("snr_db", *MEASURES)
"""Columns that say nothing where the sound was not measured for want of time."""
ANSWERS = ("confidence", "label")
"""Columns that are of the model as much as of the sound: not compared between two models."""
NUMERIC = ("duration_s", *MEASURED, "confidence")
CATEGORICAL = ("label",)
COLUMNS = (*NUMERIC, *CATEGORICAL)
"""Columns of the prediction log that are watched."""


@dataclass(frozen=True)
class Coded:
    """Text of which much is the same, spelled once.

    Args:
        names: Different ones, str [k]; the empty string where a value is missing.
        codes: Which of them, int64 [n].
    """

    names: npt.NDArray[np.str_]
    codes: Integers

    def sort(self) -> Coded:
        """Return the same text, with the names that are met alone, sorted."""
        met = np.flatnonzero(np.bincount(self.codes, minlength=len(self.names)))
        order = met[np.argsort(self.names[met])]
        places = np.zeros(len(self.names), dtype=np.int64)
        places[order] = np.arange(len(order))
        return Coded(self.names[order], places[self.codes])


Values = Floats | Coded
"""Of a column: numbers with NaN, or text with the empty string, where a value is missing."""


@dataclass(frozen=True)
class Column:
    """A column and its bins; the last bin is of missing values, the last but one of a label's of unknown labels.

    Args:
        name: Of the prediction log.
        edges: Inner edges of a number's bins, ascending; a value on an edge is above it. Empty for labels.
        centres: Mean of the reference's values in each bin, one more than edges.
        scale: Standard deviation of the reference's values; 1 where they do not vary.
        labels: Known labels, sorted; empty for a number.
    """

    name: str
    edges: tuple[float, ...] = ()
    centres: tuple[float, ...] = ()
    scale: float = 1.0
    labels: tuple[str, ...] = ()

    @property
    def is_numeric(self) -> bool:
        """Whether it holds numbers."""
        return not self.labels

    @property
    def is_sound(self) -> bool:
        """Whether its parts fit together."""
        if self.labels:
            return not self.edges and list(self.labels) == sorted({*self.labels} - {""})
        numbers = (*self.edges, *self.centres, self.scale)
        fits = 0 < len(self.edges) <= MOST_EDGES and len(self.centres) == len(self.edges) + 1 and self.scale > 0
        return fits and all(map(math.isfinite, numbers)) and list(self.edges) == sorted({*self.edges})

    @property
    def bins(self) -> int:
        """How many there are, that of missing values included."""
        return len(self.edges) + 2 if self.is_numeric else len(self.labels) + 2


def slice_columns(columns: Sequence[Column]) -> list[slice]:
    """Return where the bins of each column lie, when those of all stand in one row."""
    ends = np.cumsum([0, *(column.bins for column in columns)])
    return [slice(int(begin), int(end)) for begin, end in pairwise(ends)]


def fix_columns(values: Mapping[str, Values], bins: int) -> tuple[Column, ...]:
    """Return the columns that a reference fixes; one without any value is none.

    Args:
        values: By name.
        bins: Of a number, about: a value that is frequent has one of its own.
    """
    found = [
        _fix_labels(name, column) if isinstance(column, Coded) else _fix_numbers(name, column, bins)
        for name, column in values.items()
    ]
    return tuple(column for column in found if column is not None)


def _fix_numbers(name: str, column: Floats, bins: int) -> Column | None:
    values = column[np.isfinite(column)]
    if not len(values):
        return None
    cuts, times = np.unique(np.quantile(values, np.arange(1, bins) / bins, method="lower"), return_counts=True)
    # What is as frequent as a bin ends just above itself, else a constant that grows would stay in its bin.
    edges = np.unique(np.concatenate([cuts, np.nextafter(cuts[(times > 1) | (len(cuts) == 1)], np.inf)]))
    places = np.searchsorted(edges, values, side="right")
    counts = np.bincount(places, minlength=len(edges) + 1)
    sums = np.bincount(places, weights=values, minlength=len(edges) + 1)
    nearest = np.concatenate([edges[:1], edges])
    centres = np.where(counts > 0, sums / np.maximum(counts, 1), nearest)
    scale = float(values.std())
    return Column(name, tuple(edges.tolist()), tuple(centres.tolist()), scale if scale > 0 else 1.0)


def _fix_labels(name: str, column: Coded) -> Column | None:
    labels = sorted({*column.sort().names.tolist()} - {""})
    return Column(name, labels=tuple(labels)) if labels else None


def place_values(column: Column, values: Values) -> Integers:
    """Return the bin of each value, int64 [n].

    Args:
        column: Whose bins.
        values: Its values.
    """
    if isinstance(values, Coded):
        return _place_labels(column, values.names)[values.codes]
    places = np.empty(len(values), dtype=np.int64)
    for begin in range(0, len(values), BLOCK):
        block = values[begin : begin + BLOCK]
        # One comparison after the other: 4 times as fast as a search in so few edges, which branches at random.
        above = np.zeros(len(block), dtype=np.uint8)
        for edge in column.edges:
            above += block >= edge
        places[begin : begin + BLOCK] = np.where(np.isfinite(block), above, column.bins - 1)
    return places


def _place_labels(column: Column, names: npt.NDArray[np.str_]) -> Integers:
    known = {label: place for place, label in enumerate(column.labels)} | {"": column.bins - 1}
    return np.array([known.get(name, column.bins - 2) for name in names.tolist()], dtype=np.int64)
