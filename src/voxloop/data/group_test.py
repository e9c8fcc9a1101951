"""Whether one speaker or source has more suspicious utterances than chance and the difference between people allow.

People differ: the suspicious utterances of clean data do not fall evenly on the speakers, and a binomial test calls
every odd speaker a culprit. The null is therefore beta-binomial (J. G. Skellam, "A probability distribution derived
from the binomial distribution by regarding the probability of success as variable", J. R. Stat. Soc. B 10, 1948): the
rate varies from speaker to speaker with an intraclass correlation that is estimated from the others, without the worst
of them, for culprits must not excuse each other, and never below a floor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxloop.config import StrictModel

Counts = NDArray[np.int64]


class NullConfig(StrictModel):
    """What the null is made of.

    Args:
        trim: Share of the other speakers, the worst ones, left out of the estimate.
        floor: Least intraclass correlation believed, in (0, 1).
        speaker_excess: How far a speaker's share must lie above the expected rate to matter, in [0, 1].
        source_excess: The same for a source.
    """

    trim: float
    floor: float
    speaker_excess: float
    source_excess: float

    def excess(self, group: str) -> float:
        """Return how far the share of a `speaker` or `source` must lie above the expected rate."""
        return self.speaker_excess if group == "speaker" else self.source_excess


@dataclass(frozen=True)
class Cell:
    """Utterances of one speaker inside the group or outside it: how many, and how many of them suspicious."""

    rows: Counts
    suspicious: Counts


@dataclass(frozen=True)
class GroupTest:
    """How one group stands beside the rest.

    Args:
        rate: Suspicious share expected of it.
        p_value: Probability of at least so many in a clean group.
    """

    rate: float
    p_value: float


@dataclass(frozen=True)
class Null:
    """A clean speaker: the expected rate and its intraclass correlation."""

    rate: float
    correlation: float


def fit_null(rest: Cell, config: NullConfig) -> Null:
    """Estimate the null from the speakers outside the group, the worst `trim` of them left out."""
    share = rest.suspicious / np.maximum(rest.rows, 1)
    kept = np.argsort(share, kind="stable")[: max(2, int(np.ceil(len(share) * (1.0 - config.trim))))]
    rows, suspicious = rest.rows[kept], rest.suspicious[kept]
    rate = (suspicious.sum() + 1.0) / (rows.sum() + 2.0)  # Laplace: nothing seen is not never
    return Null(float(rate), max(config.floor, estimate_correlation(rows, suspicious)))


def estimate_correlation(rows: Counts, suspicious: Counts) -> float:
    """Return the intraclass correlation, by the analysis of variance; 0 where there is nothing to tell it from.

    M. S. Ridout, C. G. B. Demétrio, D. Firth, "Estimating intraclass correlation for binary data" (Biometrics 55,
    1999), the ANOVA estimator.
    """
    rows, suspicious = rows[rows > 0], suspicious[rows > 0]
    total, speakers = rows.sum(), len(rows)
    if speakers < 2 or total <= speakers or suspicious.sum() == 0:
        return 0.0
    share = suspicious / rows
    between = (rows * np.square(share - suspicious.sum() / total)).sum() / (speakers - 1)
    within = (suspicious * (1.0 - share)).sum() / (total - speakers)
    size = (total - np.square(rows).sum() / total) / (speakers - 1)
    spread = between + (size - 1.0) * within
    return float(np.clip((between - within) / spread, 0.0, 0.95)) if spread > 0 else 0.0


def judge_group(group: Cell, rest: Cell, config: NullConfig, excess: float) -> GroupTest:
    """Hold a group, one speaker or a source of many, against the others.

    A source of many speakers varies less than one of them: its correlation is the one that gives the same variance,
    rho * sum n(n-1) / N(N-1) over its speakers. Up to `excess` above the expected rate the
    p-value is 1: what is too small to matter is no alarm, however many rows make it certain.
    """
    null = fit_null(rest, config)
    total, found = int(group.rows.sum()), int(group.suspicious.sum())
    if found / max(total, 1) <= null.rate + excess:
        return GroupTest(null.rate, 1.0)
    pairs = (group.rows * (group.rows - 1)).sum() / max(total * (total - 1), 1)
    return GroupTest(null.rate, tail(found, total, null.rate, null.correlation * float(pairs)))


def tail(found: int, rows: int, rate: float, correlation: float) -> float:
    """Return the probability of `found` or more of `rows` in a beta-binomial of this mean and correlation."""
    from scipy.stats import betabinom

    spread = (1.0 - correlation) / max(correlation, 1e-6)
    return float(betabinom.sf(found - 1, rows, rate * spread, (1.0 - rate) * spread))
