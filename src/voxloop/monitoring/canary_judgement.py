"""Judging a canary: each rule by an interval, as the gate does. What cannot be told is no PASS.

Rows of one speaker are not independent, so shares are studentised over speakers (`voxloop.evaluation.intervals`), and
never narrower than the exact binomial interval (C. J. Clopper and E. S. Pearson, Biometrika 26, 1934), which knows that
no failure among 100 rows does not prove that there is none. Quantiles of latency have the interval of their order
statistics (H. A. David and H. N. Nagaraja, "Order Statistics", 2003, section 7.1), which takes rows for independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voxloop.evaluation.intervals import speaker_interval
from voxloop.evaluation.moments import mean_moments
from voxloop.evaluation.summed_measures import MEAN
from voxloop.monitoring.canary_rows import CanaryRows, Codes, ModelRows
from voxloop.monitoring.canary_rules import AGREEMENT, DISTRIBUTION, ERRORS, AbortRule, CanaryConfig
from voxloop.verdict import Verdict

Bounds = tuple[float, float, float]
"""Estimate, lower and upper end; the ends are NaN where the data cannot tell."""
UNKNOWN = (math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class RuleFinding:
    """What a rule says.

    Args:
        rule: The rule.
        verdict: FAIL where it is broken for sure, PASS where it holds for sure.
        text: For a person.
    """

    rule: AbortRule
    verdict: Verdict
    text: str


def judge_canary(
    rows: CanaryRows, rules: Sequence[AbortRule], config: CanaryConfig, *, level: float
) -> list[RuleFinding]:
    """Return what each rule says of the rows.

    Args:
        rows: Of both models.
        rules: To abort by.
        config: How much evidence is asked for.
        level: Two-sided confidence of the intervals.
    """
    return [_judge(rule, rows, config, level) for rule in rules]


def _judge(rule: AbortRule, rows: CanaryRows, config: CanaryConfig, level: float) -> RuleFinding:
    thin = _find_thin(rule, rows, config)
    if thin:
        return RuleFinding(rule, Verdict.CANNOT_TELL, f"{rule.text}: {thin}")
    estimate, low, high = _measure(rule, rows, level)
    broken, kept = (low > rule.limit, high <= rule.limit) if rule.is_above else (high < rule.limit, low >= rule.limit)
    verdict = Verdict.FAIL if broken else Verdict.PASS if kept else Verdict.CANNOT_TELL  # NaN is neither
    shown = " ".join(_show(value, rule.unit) for value in (estimate, low, high))
    return RuleFinding(rule, verdict, f"{rule.text}: {verdict}, {shown} (estimate, {level:.1%} interval)")


def _find_thin(rule: AbortRule, rows: CanaryRows, config: CanaryConfig) -> str:
    """Return why there is too little to conclude from; empty when there is enough."""
    found, groups = len(rows.candidate.failed), rows.candidate.group_count
    if rule.measure == AGREEMENT:
        found, groups = len(rows.pairs[2]), len(np.unique(rows.pairs[2]))
    is_compared = rule.measure == DISTRIBUTION or rule.unit == "x"
    if is_compared:
        found = min(found, len(rows.champion.failed))
        groups = min(groups, rows.champion.group_count)
    if found < config.least_rows or groups < config.least_groups:
        return f"{found} rows of {groups} speakers, of {config.least_rows} and {config.least_groups} at least"
    return ""


def _measure(rule: AbortRule, rows: CanaryRows, level: float) -> Bounds:
    if rule.measure == ERRORS:
        return measure_share(rows.candidate.failed, rows.candidate.groups, level)
    if rule.measure == AGREEMENT:
        ours, theirs, groups = rows.pairs
        return measure_share(ours == theirs, groups, level)
    if rule.measure == DISTRIBUTION:
        return measure_shift(rows.candidate, rows.champion, level)
    quantile = rule.quantile or math.nan
    if rule.unit == "ms":
        return measure_quantile(rows.candidate.milliseconds, quantile, level)
    return _divide(
        *(measure_quantile(one.milliseconds, quantile, (1 + level) / 2) for one in (rows.candidate, rows.champion))
    )


def measure_share(hits: npt.NDArray[np.bool_], groups: Codes, level: float) -> Bounds:
    """Return a share with an interval for speakers not heard yet, never narrower than the exact binomial one.

    Args:
        hits: bool [n].
        groups: Whose, int64 [n].
        level: Two-sided confidence.
    """
    from scipy.special import betaincinv

    if not len(hits):
        return UNKNOWN
    codes = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    told = speaker_interval(mean_moments(hits), MEAN, codes, level=level)
    count, tail = int(hits.sum()), (1 - level) / 2
    low = float(betaincinv(count, len(hits) - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, len(hits) - count, 1 - tail)) if count < len(hits) else 1.0
    # NaN stays, as `min` would not let it: of one speaker nothing is told.
    return told.estimate, float(np.minimum(low, told.low)), float(np.maximum(high, told.high))


def measure_shift(candidate: ModelRows, champion: ModelRows, level: float) -> Bounds:
    """Return by how much the share of a label differs at most between two models, over all labels at once (Bonferroni).

    Each share has its own interval; the two are taken for independent, which for the same speakers errs on the wide
    side.
    """
    labels = np.unique(np.concatenate([candidate.labels, champion.labels]))
    each = 1 - (1 - level) / (2 * max(1, len(labels)))
    differences = []
    for label in labels:
        ours, theirs = (measure_share(one.labels == label, one.answered_groups, each) for one in (candidate, champion))
        differences.append((ours[0] - theirs[0], ours[1] - theirs[2], ours[2] - theirs[1]))
    if not differences or np.isnan(differences).any():
        return UNKNOWN
    nearest = max(max(low, -high, 0.0) for _, low, high in differences)
    farthest = max(max(abs(low), abs(high)) for _, low, high in differences)
    return max(abs(difference) for difference, _, _ in differences), nearest, farthest


def measure_quantile(values: npt.NDArray[np.float64], quantile: float, level: float) -> Bounds:
    """Return a quantile with the interval of its order statistics; an end beyond the values is NaN.

    Args:
        values: float64 [n].
        quantile: In (0, 1).
        level: Two-sided confidence, at least.
    """
    from scipy.stats import binom

    count, tail = len(values), (1 - level) / 2
    if not count:
        return UNKNOWN
    ordered = np.sort(values)
    low, high = int(binom.ppf(tail, count, quantile)), int(binom.ppf(1 - tail, count, quantile)) + 1
    return (
        float(np.quantile(ordered, quantile)),
        float(ordered[low - 1]) if low >= 1 else math.nan,
        float(ordered[high - 1]) if high <= count else math.nan,
    )


def _divide(ours: Bounds, theirs: Bounds) -> Bounds:
    if not all(part > 0 for part in theirs):
        return UNKNOWN
    return ours[0] / theirs[0], ours[1] / theirs[2], ours[2] / theirs[1]


def _show(value: float, unit: str) -> str:
    if math.isnan(value):
        return "?"
    return f"{100 * value:.2f}%" if unit == "%" else f"{value:.3g}{unit}"
