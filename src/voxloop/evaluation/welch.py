"""The interval of a mean recall over utterances, where each label has a variance of its own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voxloop.evaluation.intervals import Interval, Studentised

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


def welch_interval(scores: Floats, labels: Codes, *, level: float) -> Interval:
    """Return the interval of a mean recall for further utterances of these speakers: Welch's t over utterances.

    Each label is a stratum with a mean and a variance of its own; degrees of freedom by Welch and Satterthwaite
    (Welch 1947, "The generalization of Student's problem when several different population variances are
    involved"). Speakers are not strata: what differs between them stays in the variance, which errs on the wide side.

    Args:
        scores: 1 where a model is right and 0 where it is wrong, or the difference of two models' scores, float64 [n].
        labels: Code of the reference label of each utterance, int64 [n].
        level: Two-sided confidence, in (0, 1).

    Returns:
        The interval; its ends are NaN when some label has fewer than two utterances.
    """
    method = "Welch's t over utterances, stratified by label"
    if not len(scores):
        return Interval(np.nan, np.nan, np.nan, level, method)
    strata = np.unique(labels, return_inverse=True)[1]
    sizes = np.bincount(strata).astype(np.float64)
    means = np.bincount(strata, weights=scores) / sizes
    estimate = np.asarray(means.mean())
    if np.any(sizes < 2):
        return Interval(float(estimate), np.nan, np.nan, level, method)
    squares = np.bincount(strata, weights=(scores - means[strata]) ** 2)
    shares = squares / (sizes - 1) / sizes / len(sizes) ** 2
    variance = float(shares.sum())
    freedom = variance**2 / float(np.sum(shares**2 / (sizes - 1))) if variance > 0 else float(len(scores) - len(sizes))
    return Studentised(estimate, np.sqrt(np.asarray(variance)), np.asarray(freedom)).interval(level, method)
