"""The rules of a canary: what is too bad, as a person writes it: `errors>1%`, `latency_p95>1.5x`, `agreement<90%`."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from voxloop.config import StrictModel
from voxloop.errors import InputError

ERRORS, AGREEMENT, DISTRIBUTION = "errors", "agreement", "distribution"
LATENCY = re.compile(r"latency_p(\d{2})")
_RULE = re.compile(r"\s*([a-z0-9_]+)\s*([<>])\s*(\d+(?:\.\d+)?)\s*(%|x|ms)\s*")
_EXAMPLES = "errors>1%, latency_p95>1.5x, latency_p95>200ms, agreement<90%, distribution>10%"


class CanaryConfig(StrictModel):
    """How a canary is watched; configs/canary.yaml says why so."""

    level: float = Field(gt=0.5, lt=1)
    early_level: float = Field(gt=0.5, lt=1)
    least_rows: int = Field(ge=1)
    least_groups: int = Field(ge=2)
    look_seconds: float = Field(gt=0)
    settle_seconds: float = Field(ge=0)


@dataclass(frozen=True)
class AbortRule:
    """What is too bad.

    Args:
        measure: `errors`, `agreement`, `distribution` or `latency_p95`.
        is_above: Whether more than the limit is too bad; else less is.
        limit: A share for %, a ratio to the champion's for x, milliseconds for ms.
        unit: `%`, `x` or `ms`.
        text: As it was written.
    """

    measure: str
    is_above: bool
    limit: float
    unit: str
    text: str

    @property
    def quantile(self) -> float | None:
        """Of a latency, in (0, 1)."""
        found = LATENCY.fullmatch(self.measure)
        return int(found[1]) / 100 if found else None


def parse_rules(texts: Sequence[str], *, is_shadow: bool, has_labels: bool) -> tuple[AbortRule, ...]:
    """Return the rules to abort by.

    Args:
        texts: One each.
        is_shadow: Whether the candidate is asked beside the champion: only then do both answer the same request.
        has_labels: Whether the family's answers are labels, which can be counted.

    Raises:
        InputError: There is none, or one that cannot be read, or cannot be told here.
    """
    if not texts:
        raise InputError(
            "there is no rule to abort by",
            rule="a canary that nothing can stop is no canary",
            remedy=f"--abort-if, such as {_EXAMPLES}",
        )
    rules = tuple(_parse_rule(text) for text in texts)
    for rule in rules:
        if rule.measure == AGREEMENT and not is_shadow:
            raise _unfit(rule.text, "two models agree on what both have answered: that is a shadow", "--percent 0")
        if rule.measure in (AGREEMENT, DISTRIBUTION) and not has_labels:
            raise _unfit(rule.text, "labels are counted, and this family answers none", "errors or latency")
    return rules


def _parse_rule(text: str) -> AbortRule:
    found = _RULE.fullmatch(text)
    if not found:
        raise _unfit(text, f"it reads like {_EXAMPLES}", "one of these measures")
    measure, sign, number, unit = found.groups()
    limit = float(number) / (100 if unit == "%" else 1)
    is_latency = LATENCY.fullmatch(measure) is not None
    fits = {ERRORS: (">", "%"), DISTRIBUTION: (">", "%"), AGREEMENT: ("<", "%")}.get(measure)
    if not (is_latency and sign == ">" and unit in ("x", "ms")) and fits != (sign, unit):
        raise _unfit(text, f"it reads like {_EXAMPLES}", "one of these measures")
    if not math.isfinite(limit) or (unit == "%" and limit >= 1) or (is_latency and not 0 < int(measure[-2:]) < 100):
        raise _unfit(text, "shares are below 100 %, quantiles from 01 to 99", "another limit")
    return AbortRule(measure, sign == ">", limit, unit, text.strip())


def _unfit(text: str, rule: str, remedy: str) -> InputError:
    return InputError(f"--abort-if {text[:80]!r}", rule=rule, remedy=f"give {remedy}")
