"""Several claims of one kind judged together: what passes, what fails, and what cannot be told, by Holm both ways."""

from __future__ import annotations

import math
from collections.abc import Sequence

from voxloop.evaluation.intervals import Interval, p_value
from voxloop.evaluation.multiplicity import holm
from voxloop.verdict import Verdict


def decide_together(passing: Sequence[float], failing: Sequence[float], alpha: float) -> list[Verdict]:
    """Return a verdict a claim.

    Each makes two statements that can err: that what is asked holds, and that it does not. Holm's procedure keeps the
    chance of any false one among all of a kind at `alpha`, for either kind. Where neither can be said it cannot tell.

    Args:
        passing: p-values of "what is asked does not hold", one a claim; NaN where the data cannot tell.
        failing: p-values of "what is asked holds".
        alpha: One-sided chance of any false statement of a kind.
    """
    holds, fails = holm(passing, alpha), holm(failing, alpha)
    return [
        Verdict.FAIL if failed else Verdict.PASS if held else Verdict.CANNOT_TELL
        for held, failed in zip(holds, fails, strict=True)
    ]


def chance_above(interval: Interval | None, bound: float) -> float:
    """Return the p-value of "it is not above the bound"; NaN without an interval."""
    return math.nan if interval is None else p_value(interval, bound)


def chance_below(interval: Interval | None, bound: float) -> float:
    """Return the p-value of "it is not below the bound"; NaN without an interval."""
    return math.nan if interval is None else p_value(mirror(interval), -bound)


def mirror(interval: Interval) -> Interval:
    """Return the interval of minus what is estimated."""
    return interval._replace(estimate=-interval.estimate, low=-interval.high, high=-interval.low)
