"""Confidence intervals of measures, and of one model's lead over another, studentised over speakers or utterances.

Which function is right depends on what is claimed. A claim about new speakers has speakers as its sample:
`speaker_interval`, `speaker_lead`. A claim about the speakers at hand has their utterances: `utterance_interval`,
`utterance_lead`. All start from moments (`voxloop.evaluation.moments`), and
`jackknife` takes any number of draws at once. `docs/statistics.md` shows how often they are right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from voxloop.evaluation.moments import sum_groups
from voxloop.evaluation.summed_measures import Measure, paired

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

OVER_SPEAKERS = "jackknife-t over speakers"
OVER_UTTERANCES = "jackknife-t over utterances"
ROUNDING = 1e-12
"""A standard error below this share of the estimate, or of 1, is none."""


class Interval(NamedTuple):
    """A two-sided confidence interval.

    `estimate`, `low` and `high` are in the unit of the measure; `low` and `high` are NaN where the data cannot tell.
    `level` is the two-sided confidence, and `method` says in words what was studentised over what. `error` is the
    standard error and `freedom` the degrees of freedom of its Student's t.
    """

    estimate: float
    low: float
    high: float
    level: float
    method: str
    error: float = math.nan
    freedom: float = math.nan

    @property
    def is_degenerate(self) -> bool:
        """Whether nothing varies: the sample holds no evidence of how sure the estimate is, and its width is 0.

        So it is between two models that answer every row alike. What that is worth is for who asks to say.
        """
        return bool(self.error <= _rounding(self.estimate))


@dataclass(frozen=True)
class Studentised:
    """Estimates, their standard errors (NaN where the data cannot tell) and degrees of freedom, float64 [...]."""

    estimate: Floats
    error: Floats
    freedom: Floats

    def ends(self, level: float) -> tuple[Floats, Floats]:
        """Return the lower and upper ends [...] of two-sided intervals."""
        reach = special.stdtrit(self.freedom, (1 + level) / 2) * self.error
        return self.estimate - reach, self.estimate + reach

    def p_value(self, bound: float) -> Floats:
        """Return the one-sided p-values [...] of "not above `bound`", NaN where the data cannot tell.

        At most 0.025 where the lower end of the 95 % interval lies at or above the bound. Where nothing varies it is 0
        above the bound and 1 elsewhere.
        """
        ahead = self.estimate - bound
        degenerate = self.error <= _rounding(self.estimate)
        tail = special.stdtr(self.freedom, -ahead / np.where(degenerate, 1.0, self.error))
        certain = (ahead <= _rounding(self.estimate)).astype(np.float64)
        return np.asarray(np.where(degenerate, certain, tail), dtype=np.float64)

    def interval(self, level: float, method: str) -> Interval:
        """Return the interval of a single estimate."""
        low, high = (float(end) for end in self.ends(level))
        return Interval(float(self.estimate), low, high, level, method, float(self.error), float(self.freedom))


def jackknife(sums: Floats, measure: Measure, sizes: Floats | None = None) -> Studentised:
    """Return the delete-one-group jackknife of a measure.

    With θ the estimate and θ₋ₛ the one without group s, the standard error is √((S-1)/S · Σ(θ₋ₛ - θ)²) (Cameron and
    Miller 2015, "A practitioner's guide to cluster-robust inference", section VI.B, estimator CV3; Hansen 2025,
    "Jackknife standard errors for clustered regression"), and the quantile that of Student's t with S-1 degrees of
    freedom, or as many as there are groups in effect (`effective_groups`) where those are fewer still. Of means over
    groups of one size it is the one-sample t interval over the groups' means.

    Args:
        sums: Moments summed over each group (speaker), float64 [..., S, k].
        measure: What to measure.
        sizes: Rows of each group, float64 [..., S]; None where all have the same.

    Returns:
        Arrays [...]; the error is NaN with fewer than two groups, where a label or trait has a single group, and where
        anything is not finite.
    """
    return stratified_jackknife(sums, measure, np.zeros(sums.shape[-2], np.int64), sizes)


def stratified_jackknife(sums: Floats, measure: Measure, strata: Codes, sizes: Floats | None = None) -> Studentised:
    """Return the delete-one-group jackknife of a measure of several populations, such as a difference of two.

    The groups of each stratum are a sample of their own: with S_h of them its part of the variance is
    V_h = (S_h - 1) / S_h · Σ(θ₋ₛ - θ)² over them (K. M. Wolter, "Introduction to variance estimation", 2007, section
    4.5). The degrees of freedom are those of F. E. Satterthwaite ("An approximate distribution of estimates of variance
    components", Biometrics Bulletin 2, 1946): (Σ V_h)² / Σ(V_h² / f_h), f_h being those of `jackknife` of the stratum
    alone. Of means over groups of one size it is B. L. Welch's t (Biometrika 34, 1947). What hangs on four speakers
    alone has three, however many stand beside them.

    Args:
        sums: Moments summed over each group (speaker), float64 [..., S, k].
        measure: What to measure.
        strata: Which population each group is of, int64 [S].
        sizes: Rows of each group, float64 [..., S]; None where all have the same.

    Returns:
        As `jackknife`; the error is NaN too where a stratum has a single group.
    """
    sums = np.where(np.isfinite(sums), sums, np.nan)
    totals = sums.sum(axis=-2)
    without = totals[..., None, :] - sums
    estimate = measure.value(totals)
    moved = (measure.value(without) - estimate[..., None]) ** 2
    kept = np.all(measure.support(without) == measure.support(totals)[..., None, :], axis=(-2, -1)) & (strata.size > 1)
    variance, spread, freedom = np.zeros(estimate.shape), np.zeros(estimate.shape), np.full(estimate.shape, np.inf)
    for stratum in (populations := np.unique(strata)):
        chosen = strata == stratum
        groups = int(chosen.sum())
        part = (groups - 1) / groups * moved[..., chosen].sum(axis=-1)
        own = np.full(estimate.shape, float(groups - 1))
        if sizes is not None:
            own = np.minimum(own, effective_groups(sizes[..., chosen]))
        kept = kept & (groups > 1)
        variance, spread = variance + part, spread + part**2 / np.maximum(own, ROUNDING)
        freedom = np.minimum(freedom, own)
    if len(populations) > 1:
        freedom = np.where(spread > 0, variance**2 / np.where(spread > 0, spread, 1.0), freedom)
    return Studentised(estimate, np.where(kept, np.sqrt(variance), np.nan), freedom)


def effective_groups(sizes: Floats) -> Floats:
    """Return how many groups of one size are worth those of the sizes given, (Σ n)² / Σ n²: [..., S] to [...].

    L. Kish, "Survey sampling", 1965; the groups that count for a clustered t test (Carter, Schnepel, Steigerwald 2017,
    "Asymptotic behavior of a t-test robust to cluster heterogeneity", where nothing is known of the correlation within;
    MacKinnon and Webb 2017, "Wild bootstrap inference for wildly different cluster sizes"). 0 for no rows.
    """
    total, squares = sizes.sum(axis=-1), np.square(sizes).sum(axis=-1)
    return np.asarray(total**2 / np.where(squares == 0, 1.0, squares), dtype=np.float64)


def speaker_interval(moments: Floats, measure: Measure, speakers: Codes, *, level: float) -> Interval:
    """Return the interval of a measure for speakers not heard yet, by `jackknife` over speakers.

    Args:
        moments: What each row adds, float64 [n, k].
        measure: What to measure.
        speakers: Code of the speaker of each row, int64 [n].
        level: Two-sided confidence, in (0, 1).

    Returns:
        The interval; its ends are NaN with fewer than two speakers, or when one speaker alone says some label.
    """
    sizes = np.unique(speakers, return_counts=True)[1].astype(np.float64)
    return jackknife(sum_groups(moments, speakers), measure, sizes).interval(level, OVER_SPEAKERS)


def group_interval(
    moments: Floats, measure: Measure, speakers: Codes, groups: Codes, *, level: float, by_utterance: bool = False
) -> Interval:
    """Return the interval of a measure of groups of speakers, by `stratified_jackknife`.

    Speakers of several groups, as where these are durations, are no samples of their own: then all are one stratum, and
    there are no more degrees of freedom than the group with the fewest speakers has.

    Args:
        moments: What each row adds, float64 [n, k].
        measure: What to measure, such as a `contrast` of both.
        speakers: Code of the speaker of each row, int64 [n].
        groups: Code of the group of each row, int64 [n].
        level: Two-sided confidence, in (0, 1).
        by_utterance: Studentised over utterances, for a claim about these speakers alone.
    """
    if by_utterance:
        return stratified_jackknife(moments, measure, groups).interval(level, OVER_UTTERANCES)
    pairs, counts = np.unique(np.stack([speakers, groups], axis=1), axis=0, return_counts=True)
    sums = sum_groups(moments, speakers)
    if len(pairs) == len(sums):
        found = stratified_jackknife(sums, measure, pairs[:, 1], counts.astype(np.float64))
        return found.interval(level, OVER_SPEAKERS)
    found = jackknife(sums, measure, np.unique(speakers, return_counts=True)[1].astype(np.float64))
    fewest = min(
        min(float(rows.size - 1), float(effective_groups(rows.astype(np.float64))))
        for rows in (counts[pairs[:, 1] == group] for group in np.unique(groups))
    )
    return replace(found, freedom=np.minimum(found.freedom, fewest)).interval(level, OVER_SPEAKERS)


def speaker_lead(challenger: Floats, champion: Floats, measure: Measure, speakers: Codes, *, level: float) -> Interval:
    """Return the interval of the challenger's lead for speakers not heard yet: the same speakers are left out of both.

    Args:
        challenger: Moments of the challenger's answers, float64 [n, k].
        champion: Moments of the champion's, the same rows in the same order.
        measure: What to measure; a lead above 0 is better, whichever way it runs.
        speakers: Code of the speaker of each row, int64 [n].
        level: Two-sided confidence, in (0, 1).
    """
    return speaker_interval(np.concatenate([challenger, champion], axis=1), paired(measure), speakers, level=level)


def utterance_interval(moments: Floats, measure: Measure, *, level: float) -> Interval:
    """Return the interval of a measure for further utterances of these speakers, by `jackknife` over utterances.

    Speakers are not strata: what differs between them stays in the variance, which errs on the wide side.
    """
    return jackknife(moments, measure).interval(level, OVER_UTTERANCES)


def utterance_lead(challenger: Floats, champion: Floats, measure: Measure, *, level: float) -> Interval:
    """Return the interval of the challenger's lead for further utterances of these speakers, as `speaker_lead`."""
    return utterance_interval(np.concatenate([challenger, champion], axis=1), paired(measure), level=level)


def p_value(lead: Interval, bound: float) -> float:
    """Return the one-sided p-value of "the lead is not above `bound`", by the t of its interval; see `Studentised`."""
    parts = (np.asarray(part, dtype=np.float64) for part in (lead.estimate, lead.error, lead.freedom))
    return float(Studentised(*parts).p_value(bound))


def _rounding(estimate: npt.ArrayLike) -> Floats:
    """Return what is no standard error beside an estimate."""
    return np.asarray(ROUNDING * np.maximum(1.0, np.abs(estimate)), dtype=np.float64)
