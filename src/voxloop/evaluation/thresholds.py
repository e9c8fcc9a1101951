"""From an interval and a bound to a verdict, and to words."""

from __future__ import annotations

import numpy as np

from voxloop.evaluation.intervals import Interval
from voxloop.evaluation.joint_claims import mirror
from voxloop.verdict import Verdict


def decide(interval: Interval, bound: float) -> Verdict:
    """Return `PASS` when the whole interval lies above `bound`, `FAIL` when none of it does, else `CANNOT_TELL`.

    Ends that are not numbers cannot tell.
    """
    if interval.low > bound:
        return Verdict.PASS
    return Verdict.FAIL if interval.high <= bound else Verdict.CANNOT_TELL


def decide_limit(interval: Interval, limit: float, *, larger_is_better: bool) -> Verdict:
    """Return the same of a measure against its limit: above it where larger is better, else below it."""
    if larger_is_better:
        return decide(interval, limit)
    return decide(mirror(interval), -limit)


def show_interval(interval: Interval) -> str:
    """Return `0.812 (95 % interval 0.742 to 0.881, jackknife-t over speakers)`, or what of it can be measured."""
    if not np.isfinite(interval.estimate):
        return "cannot be measured"
    if not np.isfinite(interval.low):
        return f"{interval.estimate:.3f} (too few for an interval, {interval.method})"
    level = f"{interval.level:.0%}".replace("%", " %")
    return f"{interval.estimate:.3f} ({level} interval {interval.low:.3f} to {interval.high:.3f}, {interval.method})"
