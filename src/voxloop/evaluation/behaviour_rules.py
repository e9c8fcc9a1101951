"""The rule about behaviour: what must hold of answers, holds of as many rows as the policy asks."""

from __future__ import annotations

import numpy as np

from voxloop.evaluation.answers import CHALLENGER
from voxloop.evaluation.behaviour import MinimumFunction
from voxloop.evaluation.case import Case
from voxloop.evaluation.judgement import Reason
from voxloop.evaluation.robustness_rules import chosen_rows, why_no_evidence
from voxloop.verdict import Verdict

RULE = "behaviour"


def check_behaviour(case: Case) -> list[Reason]:
    """Each test of behaviour that the policy names holds of its share of the challenger's rows.

    The share itself is held against the policy, not an interval of it: a test says what a model does on these rows, and
    claims nothing of others.
    """
    rule = case.policy.behaviour
    if rule is None:
        text = "the policy asks nothing of behaviour"
        return [case.first.reason(RULE, Verdict.PASS, text, measure="tests", value=0)]
    if problem := why_no_evidence(case):
        return [case.first.reason(RULE, Verdict.CANNOT_TELL, problem, measure="evidence", value=None)]
    return [_check_test(case, name, share, rule.minimum_rows) for name, share in rule.shares.items()]


def _check_test(case: Case, name: str, share: float, least: int) -> Reason:
    assert case.robustness is not None  # noqa: S101 - `why_no_evidence` has said that it is there
    changed = case.robustness.changed
    if name not in changed.tests:
        return _tell(case, name, Verdict.CANNOT_TELL, "it was not tried", None, share)
    is_made = isinstance(changed.tests[name], MinimumFunction)
    held = changed.hold(name, CHALLENGER)
    if held is None:
        return _tell(case, name, Verdict.CANNOT_TELL, "an answer that it needs is missing or not finite", None, share)
    if len(held) < (1 if is_made else least):
        text = f"it was tried on {len(held)} rows, the policy asks for {least}"
        return _tell(case, name, Verdict.CANNOT_TELL, text, None, share)
    value, what = float(np.mean(held)), "requests" if is_made else "rows"
    text = f"it holds of {np.count_nonzero(held)} of {len(held)} {what}, asked for are {share:.1%}"
    return _tell(case, name, Verdict.PASS if value >= share else Verdict.FAIL, text, value, share)


def _tell(case: Case, name: str, verdict: Verdict, text: str, value: float | None, share: float) -> Reason:
    return case.first.reason(
        RULE, verdict, f"{name}: {text}", measure="share that holds", value=value, bound=share,
        cut=f"test={name}", rows=chosen_rows(case),
    )  # fmt: skip
