"""Can a classifier tell whether a sound is of the window or of the reference? Fisher's linear discriminant.

With S the covariance of embeddings within speakers, the discriminant of two groups whose means differ by d is S^-1 d,
and how far apart it puts them is the Mahalanobis distance sqrt(d' S^-1 d), in standard deviations of what is told apart
(R. A. Fisher, Annals of Eugenics 7, 1936; classifiers as tests of two samples: D. Lopez-Paz and M. Oquab, ICLR 2017).
S is the reference's, and within speakers: a hundred speakers say little about how 48 numbers vary between speakers, and
a discriminant that was fitted to it would find those it was fitted to alike, and all others strange. What speakers
differ by is in the threshold, which is drawn of whole speakers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from voxloop.monitoring.drift.columns import Floats, Integers
from voxloop.monitoring.drift.embeddings import EmbeddingMoments

CLASSIFIER = "domain classifier"
"""Name of the distance."""
TO_DIAGONAL = 0.1
"""Share of the covariance that is replaced by its diagonal: neighbouring bands say nearly the same."""
LEAST_DB = 0.5
"""Standard deviation that is added to each number: what is finer is of a resampler and not of speech."""


@dataclass(frozen=True)
class DomainClassifier:
    """What was fitted to a reference.

    Args:
        means: Of each speaker, turned such that rows vary within speakers by about one, float64 [speakers, 48].
        counts: Rows of each speaker, int64 [speakers].
        turn: What an embedding is multiplied with, float64 [48, 48].
    """

    means: Floats
    counts: Integers
    turn: Floats

    def separate(self, window: EmbeddingMoments) -> float:
        """Return how far a window is from the reference."""
        reference = self.counts @ self.means / self.counts.sum()
        return float(np.linalg.norm(window.mean() @ self.turn - reference))

    def thin(self, sizes: Integers, generator: Generator) -> Floats:
        """Return speakers' means as uncertain as those of a window's speakers, float64 [speakers, 48].

        Args:
            sizes: Rows of each speaker of the window.
            generator: Decides.
        """
        size = float((sizes**2).sum()) / max(1, int(sizes.sum()))
        lacking = np.maximum(0.0, 1.0 / max(size, 1.0) - 1.0 / np.maximum(self.counts, 1))
        return np.asarray(self.means + np.sqrt(lacking)[:, None] * generator.standard_normal(self.means.shape))

    def separate_draws(self, thinned: Floats, window: Floats, beside: Floats) -> Floats:
        """Return how far drawn windows are from drawn references, float64 [draws].

        Args:
            thinned: Means that windows are drawn from.
            window: Rows that each speaker gives to each window, float64 [draws, speakers].
            beside: How often each speaker is drawn into each reference, float64 [draws, speakers].
        """
        window, beside = window * (self.counts > 0), beside * self.counts
        apart = _average(window, thinned) - _average(beside, self.means)
        return np.asarray(np.linalg.norm(apart, axis=1))


def fit_classifier(reference: EmbeddingMoments) -> DomainClassifier:
    """Return the classifier of a reference with embeddings."""
    freedom = max(1, reference.count - int((reference.counts > 0).sum()))
    covariance = reference.scatter / freedom
    own = np.diag(np.diag(covariance))
    covariance = (1 - TO_DIAGONAL) * covariance + TO_DIAGONAL * own + LEAST_DB**2 * np.eye(len(own))
    turn = np.linalg.inv(np.linalg.cholesky(covariance)).T
    return DomainClassifier(reference.means @ turn, reference.counts, turn)


def _average(weights: Floats, means: Floats) -> Floats:
    return np.asarray(weights @ means / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12))
