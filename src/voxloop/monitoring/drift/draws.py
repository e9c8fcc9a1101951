"""What distances are met where nothing has drifted: whole speakers drawn from the reference.

Rows of one speaker are not independent, so a window of 40 speakers strays from the reference as 40 speakers do, however
many rows they have. A draw is a window of as many speakers, each with as many rows as one of the window's, and beside
it a reference of as many speakers as the reference has, both drawn with replacement: the reference is a sample too
(A. C. Davison and D. V. Hinkley, "Bootstrap Methods and their Application", 1997, on hierarchical data and on tests of
two samples). Drawing speakers is a product of two matrices.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator

from voxloop.monitoring.drift.columns import Floats, Integers, slice_columns
from voxloop.monitoring.drift.domain_classifier import DomainClassifier
from voxloop.monitoring.drift.measures import measure_distances
from voxloop.monitoring.drift.profile import Profile

CELLS = 1_000_000
"""Draws times speakers held at once: 8 MB."""


def draw_distances(
    reference: Profile,
    sizes: Integers,
    *,
    draws: int,
    generator: Generator,
    classifier: DomainClassifier | None = None,
    sounds: Integers | None = None,
) -> Floats:
    """Return distances of windows that have not drifted, float64 [draws, measures]; with a classifier, its own last.

    Args:
        reference: Speakers to draw from.
        sizes: Rows of each speaker of the window of which a column is known, int64 [speakers, columns].
        draws: How many.
        generator: Decides.
        classifier: Fitted to the reference; None where embeddings are not compared.
        sounds: Rows of each speaker of the window that have an embedding, int64 [speakers].
    """
    speakers = len(reference.speakers)
    shares = _share_by_column(reference, _thin(reference, sizes, generator))
    counts = reference.counts.astype(np.float64)
    sounds = np.zeros(0, dtype=np.int64) if sounds is None else sounds
    thinned = None if classifier is None else classifier.thin(sounds, generator)
    found = []
    for many in _split(draws, speakers):
        chosen = generator.integers(0, speakers, (many, len(sizes)))
        window = _draw_window(reference, shares, sizes, chosen)
        again = generator.integers(0, speakers, (many, speakers))
        beside = _weigh(again, np.ones(speakers), speakers)
        distances = measure_distances(reference.columns, window, beside @ counts)
        if classifier is not None and thinned is not None:
            apart = classifier.separate_draws(thinned, _weigh(chosen, sounds.astype(np.float64), speakers), beside)
            distances = np.column_stack([distances, apart])
        found.append(distances)
    return np.concatenate(found)


def _draw_window(reference: Profile, shares: Floats, sizes: Integers, chosen: Integers) -> Floats:
    """Return the rows in each bin of windows of the chosen speakers, float64 [draws, bins of all columns]."""
    window = np.empty((len(chosen), shares.shape[1]))
    weights: dict[bytes, Floats] = {}
    for number, place in enumerate(slice_columns(reference.columns)):
        rows = sizes[:, number]
        key = rows.tobytes()  # most columns are known of the same rows
        if key not in weights:
            weights[key] = _weigh(chosen, rows.astype(np.float64), len(shares))
        window[:, place] = weights[key] @ shares[:, place]
    return window


def _weigh(chosen: Integers, rows: Floats, speakers: int) -> Floats:
    """Return the rows that each speaker gives to each draw, float64 [draws, speakers].

    Args:
        chosen: Who stands for each speaker of the window, int64 [draws, speakers of the window].
        rows: Of each speaker of the window.
        speakers: Of whom were chosen.
    """
    cells = (np.arange(len(chosen))[:, None] * speakers + chosen).ravel()
    given = np.broadcast_to(rows, chosen.shape).ravel()
    weights = np.bincount(cells, weights=given, minlength=len(chosen) * speakers)
    return weights.astype(np.float64).reshape(len(chosen), speakers)


def _thin(reference: Profile, sizes: Integers, generator: Generator) -> Integers:
    """Return each speaker's counts as they would be of as few rows as the window's speakers have.

    A speaker of a long reference is known better than one of a short window. With n = Σ size² / Σ size rows of each,
    drawn without replacement, the mean of shares, weighted by size, varies as it does in the window; what n lacks to a
    whole number is drawn too. Who has fewer rows keeps all, and strays more: thresholds err on the wide side.
    """
    thinned = np.empty_like(reference.counts)
    for number, place in enumerate(slice_columns(reference.columns)):
        rows = sizes[:, number]
        left = reference.counts[:, place].sum(axis=1)
        size = float((rows**2).sum()) / max(1, int(rows.sum()))
        wanted = np.minimum(left, np.floor(size + generator.random(len(left))).astype(np.int64))
        for bin_ in range(place.start, place.stop):
            there = reference.counts[:, bin_]
            left = left - there
            thinned[:, bin_] = generator.hypergeometric(there, left, wanted)
            wanted = wanted - thinned[:, bin_]
    return thinned


def _share_by_column(reference: Profile, counts: Integers) -> Floats:
    shares = counts.astype(np.float64)
    for place in slice_columns(reference.columns):
        shares[:, place] /= np.maximum(shares[:, place].sum(axis=1, keepdims=True), 1.0)
    return shares


def _split(draws: int, speakers: int) -> Iterator[int]:
    most = max(1, CELLS // max(1, speakers))
    while draws > 0:
        yield min(most, draws)
        draws -= most
