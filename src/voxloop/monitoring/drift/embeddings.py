"""Embeddings of sounds as moments that add up: how many of each speaker, their mean, and the scatter within speakers.

Two groups of one speaker's rows are put together by the formula of T. F. Chan, G. H. Golub and R. J. LeVeque
("Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", COMPSTAT 1982), here for vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voxloop.monitoring.drift.columns import BLOCK, Floats, Integers
from voxloop.speech.sound_embedding import EMBEDDED

EMBEDDING = "embedding"
"""Column of the prediction log."""
Embeddings = npt.NDArray[np.float32]
"""float32 [n, 48]; NaN where there is none."""


@dataclass(frozen=True)
class EmbeddingMoments:
    """Moments of embeddings.

    Args:
        counts: Rows of each speaker that have one, int64 [speakers].
        means: Of each speaker, float64 [speakers, 48]; zero where there is none.
        scatter: Sum over all rows of the products of their deviations from their speaker's mean, float64 [48, 48].
    """

    counts: Integers
    means: Floats
    scatter: Floats

    @property
    def count(self) -> int:
        """Rows of all speakers."""
        return int(self.counts.sum())

    def mean(self) -> Floats:
        """Return the mean of all rows, float64 [48]; there is one at least."""
        return np.asarray(self.counts @ self.means / self.counts.sum())

    def is_close(self, other: EmbeddingMoments) -> bool:
        """Return whether both are of as many rows and the same but for rounding, in sums and in files."""
        same = np.array_equal(self.counts, other.counts)
        tolerance = 1e-6 * max(1.0, float(np.abs(self.scatter).max()), self.count)
        return (
            same
            and np.allclose(self.means, other.means, rtol=0.0, atol=1e-3)
            and np.allclose(self.scatter, other.scatter, rtol=0.0, atol=1e3 * tolerance)
        )


def no_moments(speakers: int) -> EmbeddingMoments:
    """Return the moments of speakers of whom no embedding is known."""
    return EmbeddingMoments(
        np.zeros(speakers, dtype=np.int64), np.zeros((speakers, EMBEDDED)), np.zeros((EMBEDDED, EMBEDDED))
    )


def measure_moments(codes: Integers, speakers: int, embeddings: Embeddings | None) -> EmbeddingMoments:
    """Return the moments of rows.

    Args:
        codes: Whose each row is, int64 [n].
        speakers: How many there are.
        embeddings: Of each row; None where there are none at all.
    """
    if embeddings is None:
        return no_moments(speakers)
    known = np.isfinite(embeddings).all(axis=1)
    codes, embeddings = codes[known], embeddings[known]
    counts = np.bincount(codes, minlength=speakers).astype(np.int64)
    sums = [np.bincount(codes, weights=numbers, minlength=speakers) for numbers in embeddings.T]
    means = np.stack(sums, axis=1) / np.maximum(counts, 1)[:, None]
    scatter = np.zeros((EMBEDDED, EMBEDDED))
    for begin in range(0, len(codes), BLOCK):
        apart = embeddings[begin : begin + BLOCK] - means[codes[begin : begin + BLOCK]]
        scatter += apart.T @ apart
    return EmbeddingMoments(counts, means, scatter)


def merge_moments(parts: Sequence[EmbeddingMoments], places: Sequence[Integers], speakers: int) -> EmbeddingMoments:
    """Return the moments of all together.

    Args:
        parts: Which.
        places: Of each part's speakers among all, int64 [its speakers].
        speakers: Of all.
    """
    counts = np.zeros(speakers, dtype=np.int64)
    means, scatter = np.zeros((speakers, EMBEDDED)), np.zeros((EMBEDDED, EMBEDDED))
    for part, place in zip(parts, places, strict=True):
        before, both = counts[place], counts[place] + part.counts
        apart = part.means - means[place]
        share = part.counts / np.maximum(both, 1)
        means[place] += share[:, None] * apart
        scatter += part.scatter + (apart * (before * share)[:, None]).T @ apart
        counts[place] = both
    return EmbeddingMoments(counts, means, scatter)
