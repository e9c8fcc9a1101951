"""Confidence intervals of the unweighted average recall (UAR) and of paired differences of it.

UAR is the mean over labels of the recall of each. Both functions take one score an utterance: 1 where a model is
right and 0 where it is wrong for the UAR of one model, or the difference of two models' scores (-1, 0, 1) for the
paired difference of theirs; the statistic is the same, linear in the scores.

Which function is right depends on what is claimed. A claim about new speakers has speakers as its sample:
`speaker_interval`. A claim about the speakers at hand has their utterances: `utterance_interval`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


class Interval(NamedTuple):
    """A two-sided confidence interval.

    `estimate`, `low` and `high` are shares of 1; `low` and `high` are NaN where the data cannot tell. `level` is
    the two-sided confidence, and `method` says in words what was studentised over what.
    """

    estimate: float
    low: float
    high: float
    level: float
    method: str


def speaker_interval(scores: Floats, labels: Codes, speakers: Codes, *, level: float) -> Interval:
    """Return the interval of the mean recall for speakers not heard yet: delete-one-speaker jackknife-t.

    With θ the estimate and θ₋ₛ the one without speaker s, the standard error is √((S-1)/S · Σ(θ₋ₛ - θ)²) and the
    quantile that of Student's t with S-1 degrees of freedom (Cameron and Miller 2015, "A practitioner's guide to
    cluster-robust inference", section VI.B, estimator CV3; Hansen 2025, "Jackknife standard errors for clustered
    regression"). Where every speaker says every label equally often it is the one-sample t interval over the
    speakers' own UARs.

    Args:
        scores: One score an utterance, float64 [n].
        labels: Code of the reference label of each utterance, int64 [n].
        speakers: Code of the speaker of each utterance, int64 [n].
        level: Two-sided confidence, in (0, 1).

    Returns:
        The interval; its ends are NaN with fewer than two speakers, or when one speaker alone says some label.
    """
    method = "jackknife-t over speakers"
    if not len(scores):
        return Interval(np.nan, np.nan, np.nan, level, method)
    sums = _cross_sums(speakers, labels, scores)
    counts = _cross_sums(speakers, labels, np.ones_like(scores))
    totals, sizes = sums.sum(axis=0), counts.sum(axis=0)
    estimate = float(np.mean(totals / sizes))
    speaker_count = len(sums)
    if speaker_count < 2 or np.any(counts == sizes):
        return Interval(estimate, np.nan, np.nan, level, method)
    without = np.mean((totals - sums) / (sizes - counts), axis=1)
    error = np.sqrt((speaker_count - 1) / speaker_count * np.sum((without - estimate) ** 2))
    return _student(estimate, float(error), speaker_count - 1, level, method)


def utterance_interval(scores: Floats, labels: Codes, *, level: float) -> Interval:
    """Return the interval of the mean recall for further utterances of these speakers: Welch's t over utterances.

    Each label is a stratum with a mean and a variance of its own; degrees of freedom by Welch and Satterthwaite
    (Welch 1947, "The generalization of Student's problem when several different population variances are
    involved"). Speakers are not strata: what differs between them stays in the variance, which errs on the wide side.

    Args:
        scores: One score an utterance, float64 [n].
        labels: Code of the reference label of each utterance, int64 [n].
        level: Two-sided confidence, in (0, 1).

    Returns:
        The interval; its ends are NaN when some label has fewer than two utterances.
    """
    method = "Welch's t over utterances, stratified by label"
    if not len(scores):
        return Interval(np.nan, np.nan, np.nan, level, method)
    strata = _compact(labels)
    sizes = np.bincount(strata).astype(np.float64)
    means = np.bincount(strata, weights=scores) / sizes
    estimate = float(means.mean())
    if np.any(sizes < 2):
        return Interval(estimate, np.nan, np.nan, level, method)
    squares = np.bincount(strata, weights=(scores - means[strata]) ** 2)
    shares = squares / (sizes - 1) / sizes / len(sizes) ** 2
    variance = float(shares.sum())
    freedom = variance**2 / float(np.sum(shares**2 / (sizes - 1))) if variance > 0 else float(len(scores) - len(sizes))
    return _student(estimate, float(np.sqrt(variance)), freedom, level, method)


def _student(estimate: float, error: float, freedom: float, level: float, method: str) -> Interval:
    reach = float(special.stdtrit(freedom, (1 + level) / 2)) * error
    return Interval(estimate, estimate - reach, estimate + reach, level, method)


def _cross_sums(rows: Codes, columns: Codes, weights: Floats) -> Floats:
    """Return the sum of `weights` per pair of codes, float64 [rows, columns]; codes that never occur are left out."""
    row, column = _compact(rows), _compact(columns)
    shape = (int(row.max()) + 1, int(column.max()) + 1)
    cells = np.bincount(row * shape[1] + column, weights=weights, minlength=shape[0] * shape[1]).astype(np.float64)
    return cells.reshape(shape)


def _compact(codes: Codes) -> Codes:
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)
