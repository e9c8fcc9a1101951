"""The rule about changed conditions: no worse than the champion in noise, on the telephone, at another speed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voxloop.evaluation.answers import CHALLENGER, CHAMPION
from voxloop.evaluation.behaviour import CLEAN
from voxloop.evaluation.case import Case
from voxloop.evaluation.claims import claim_lead
from voxloop.evaluation.intervals import Interval
from voxloop.evaluation.joint_claims import chance_above, chance_below, decide_together
from voxloop.evaluation.judgement import Reason
from voxloop.evaluation.policy_sections import ConditionRule, RobustnessRule
from voxloop.evaluation.robustness import Changed
from voxloop.evaluation.samples import Sample
from voxloop.evaluation.subset import choose_rows
from voxloop.evaluation.thresholds import show_interval
from voxloop.verdict import Verdict

RULE = "robustness"


@dataclass(frozen=True)
class Stand:
    """One thing asked under one condition: an interval that must lie above a bound; None where it cannot be told."""

    condition: str
    measure: str
    interval: Interval | None
    bound: float


def check_robustness(case: Case) -> list[Reason]:
    """Under no condition is the challenger worse than the champion by the margin, or loses it more than it may.

    Holm's procedure keeps the chance of a false word about any condition at the policy's, as for slices; losses to
    itself are a family of their own.
    """
    rule = case.policy.robustness
    if rule is None:
        return [case.first.reason(RULE, Verdict.PASS, "the policy asks nothing of changed rows", measure=RULE, value=0)]
    if problem := why_no_evidence(case):
        return [case.first.reason(RULE, Verdict.CANNOT_TELL, problem, measure="evidence", value=None)]
    evidence = case.robustness
    assert evidence is not None  # noqa: S101 - `why_no_evidence` has said that it is there
    changed = evidence.changed
    if missing := sorted(set(rule.conditions) - set(changed.changes.conditions)):
        text = f"nobody was asked about {', '.join(missing)}"
        return [case.first.reason(RULE, Verdict.CANNOT_TELL, text, measure="evidence", value=None)]
    if thin := _why_thin(changed, rule):
        return [case.first.reason(RULE, Verdict.CANNOT_TELL, thin, measure="utterances", value=None)]
    leads = _stand_leads(case, changed, rule) if case.bootstrap is None else []
    found = [*_judge(case, leads), *_judge(case, list(_stand_losses(case, changed, rule)))]
    why = "a first champion has nobody to be worse than, and the policy limits no loss"
    return found or [case.first.reason(RULE, Verdict.PASS, why, measure=RULE, value=0)]


def why_no_evidence(case: Case) -> str:
    """Return why nothing can be said of changed rows, empty where it can."""
    if case.robustness is None:
        return "no rows were asked again under changed conditions; evaluate again"
    return case.robustness.problem


def chosen_rows(case: Case) -> npt.NDArray[np.bool_]:
    """Return which rows of the first set were asked again, bool [n]."""
    answers = case.first.challenger
    changes = None if case.robustness is None else case.robustness.report.changes
    if changes is None:
        return np.zeros(len(answers), dtype=np.bool_)
    return choose_rows(answers.utterance_ids, answers.speaker_ids, changes.utterances, changes.seed)


def _why_thin(changed: Changed, rule: RobustnessRule) -> str:
    ours = changed.clean[CHALLENGER]
    if len(ours) >= rule.minimum_utterances and ours.speaker_count() >= rule.minimum_speakers:
        return ""
    asked = f"the policy asks for {rule.minimum_utterances} of {rule.minimum_speakers}"
    return f"{len(ours)} utterances of {ours.speaker_count()} speakers were asked again, {asked}"


def _stand_leads(case: Case, changed: Changed, rule: RobustnessRule) -> list[Stand]:
    found = []
    for name, asked in rule.conditions.items():
        ours, theirs = (_sample(changed, name, model, rule) for model in (CHALLENGER, CHAMPION))
        margin = rule.margin if asked.margin is None else asked.margin
        found.append(Stand(name, f"{rule.measure} lead", _lead(case, ours, theirs), -margin))
    return found


def _stand_losses(case: Case, changed: Changed, rule: RobustnessRule) -> list[Stand]:
    limited: list[tuple[str, ConditionRule]] = [
        (name, asked) for name, asked in rule.conditions.items() if asked.most_loss is not None
    ]
    clean = _sample(changed, CLEAN, CHALLENGER, rule)
    return [
        Stand(
            name,
            f"{rule.measure} beside clean",
            _lead(case, _sample(changed, name, CHALLENGER, rule), clean),
            -float(asked.most_loss or math.nan),
        )
        for name, asked in limited
    ]


def _sample(changed: Changed, condition: str, model: str, rule: RobustnessRule) -> Sample | None:
    found = changed.samples[condition].get(model)
    return None if found is None else found[rule.measure]


def _lead(case: Case, ours: Sample | None, theirs: Sample | None) -> Interval | None:
    if ours is None or theirs is None:
        return None
    return claim_lead(case.policy.claim, ours, theirs, level=case.policy.level)


def _judge(case: Case, stands: Sequence[Stand]) -> list[Reason]:
    passing, failing = ([chance(one.interval, one.bound) for one in stands] for chance in (chance_above, chance_below))
    verdicts = decide_together(passing, failing, case.policy.alpha)
    return [_tell(case, *judged) for judged in zip(stands, verdicts, strict=True)]


def _tell(case: Case, one: Stand, verdict: Verdict) -> Reason:
    told = "cannot be measured" if one.interval is None else show_interval(one.interval)
    value = one.interval.estimate if one.interval is not None and np.isfinite(one.interval.estimate) else None
    return case.first.reason(
        RULE,
        verdict,
        f"{one.measure} under {one.condition} {told}, asked for is more than {one.bound:+.3f}",
        measure=one.measure,
        value=value,
        bound=one.bound,
        cut=f"condition={one.condition}",
        rows=chosen_rows(case),
    )
