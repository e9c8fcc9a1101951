"""The rule about slices: nobody pays for the average with a model that is worse for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voxloop.evaluation.answers import Answers
from voxloop.evaluation.case import Case, Part
from voxloop.evaluation.intervals import Interval
from voxloop.evaluation.joint_claims import chance_above, chance_below, decide_together
from voxloop.evaluation.judgement import Reason
from voxloop.evaluation.policy_sections import FairnessRule, SliceRule
from voxloop.evaluation.slices import cut_slices
from voxloop.evaluation.thresholds import show_interval
from voxloop.verdict import Verdict


@dataclass(frozen=True)
class Slice:
    """One slice of a set: its rows, bool [n], and the challenger's lead in it, None where it is too thin."""

    name: str
    rows: npt.NDArray[np.bool_]
    lead: Interval | None


def check_slices(case: Case) -> list[Reason]:
    """In no slice is the challenger worse than the champion by the margin.

    Every slice makes two claims that can err: that it is no worse by the margin, which passes it, and that it is worse,
    which fails it. Holm's procedure keeps the chance of any false one among all slices of a set at the policy's, for
    either kind. A slice about which neither can be said, or that is too thin, cannot tell.
    """
    rule = case.policy.slices
    if rule is None or case.bootstrap is not None:
        why = "the policy asks nothing of slices" if rule is None else "a first champion has nobody to be worse than"
        return [part.reason("slices", Verdict.PASS, why, measure="slices", value=0) for part in case.parts]
    return [reason for part in case.parts for reason in _check_part(part, rule, case.policy.alpha)]


def is_thin(answers: Answers, rule: SliceRule | FairnessRule) -> bool:
    """Return whether a slice has too few utterances or speakers for the rule."""
    return len(answers) < rule.minimum_utterances or answers.speaker_count() < rule.minimum_speakers


def _check_part(part: Part, rule: SliceRule, alpha: float) -> list[Reason]:
    found = [_measure(part, rule, name, rows) for name, rows in cut_slices(part.challenger.columns, rule.by)]
    if not found:
        return [part.reason("slices", Verdict.CANNOT_TELL, "there are no rows to cut", measure="slices", value=0)]
    no_worse, worse = ([chance(one.lead, -rule.margin) for one in found] for chance in (chance_above, chance_below))
    verdicts = decide_together(no_worse, worse, alpha)
    return [_judge(part, rule, *judged) for judged in zip(found, verdicts, strict=True)]


def _measure(part: Part, rule: SliceRule, name: str, rows: npt.NDArray[np.bool_]) -> Slice:
    if is_thin(part.challenger.take(rows), rule) or not len(part.champion):
        return Slice(name, rows, None)
    return Slice(name, rows, part.cut(rows).lead(rule.measure))


def _judge(part: Part, rule: SliceRule, one: Slice, verdict: Verdict) -> Reason:
    measure, bound = f"{rule.measure} lead", -rule.margin
    if one.lead is None:
        count, speakers = int(one.rows.sum()), len(np.unique(part.challenger.speaker_ids[one.rows]))
        asked = f"the policy asks for {rule.minimum_utterances} of {rule.minimum_speakers}"
        text = f"{one.name} has {count} utterances of {speakers} speakers, {asked}"
        return part.reason(
            "slices", Verdict.CANNOT_TELL, text, measure=measure, value=None, bound=bound, cut=one.name, rows=one.rows
        )
    text = f"{measure} in {one.name} {show_interval(one.lead)}, asked for is more than {bound:+.3f}"
    value = one.lead.estimate if np.isfinite(one.lead.estimate) else None
    return part.reason("slices", verdict, text, measure=measure, value=value, bound=bound, cut=one.name, rows=one.rows)
