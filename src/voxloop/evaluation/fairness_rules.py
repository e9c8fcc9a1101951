"""The rule about groups: nobody is served much worse than others, by the measure or in the recall of a label."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from voxloop.evaluation.case import Case, Part
from voxloop.evaluation.fairness import GroupGap, Take, measure_gap, take_measure, take_recall
from voxloop.evaluation.joint_claims import decide_together
from voxloop.evaluation.judgement import Reason
from voxloop.evaluation.measures import label_of
from voxloop.evaluation.policy_sections import FairnessRule, Gap
from voxloop.evaluation.slice_rules import is_thin
from voxloop.evaluation.slices import cut_slices
from voxloop.evaluation.thresholds import show_interval
from voxloop.verdict import Verdict

Bools = npt.NDArray[np.bool_]
RULE = "fairness"


@dataclass(frozen=True)
class Pair:
    """Two groups of a set and what is measured of them.

    Args:
        name: Such as `gender=female:male` or `gender=female:male,label=anger`.
        measure: What is measured.
        groups: The rows of each, bool [n].
        asked: What the policy asks.
        take: What is compared.
        thin: Why a group is too small to tell; empty where neither is.
    """

    name: str
    measure: str
    groups: tuple[Bools, Bools]
    asked: Gap
    take: Take
    thin: str


@dataclass(frozen=True)
class Statement:
    """One bound on one gap, and how likely it would look so if it were not, or were, as asked."""

    pair: Pair
    measure: str
    bound: float
    value: float | None
    text: str
    holds: float
    fails: float


def check_fairness(case: Case) -> list[Reason]:
    """No two groups are farther apart than the policy allows, or than with the champion, unless all are raised.

    Holm's procedure keeps the chance of a false word about any pair, label and bound of a set at the policy's.
    """
    rule = case.policy.fairness
    if rule is None:
        why = "the policy asks nothing of groups"
        return [part.reason(RULE, Verdict.PASS, why, measure="groups", value=0) for part in case.parts]
    return [reason for part in case.parts for reason in _check_part(case, part, rule)]


def _check_part(case: Case, part: Part, rule: FairnessRule) -> list[Reason]:
    pairs = list(find_pairs(part, rule))
    if lone := [column for column in rule.by if not any(one.name.startswith(f"{column}=") for one in pairs)]:
        text = f"there are no two groups by {', '.join(lone)}"
        return [part.reason(RULE, Verdict.CANNOT_TELL, text, measure="groups", value=0)]
    stated = [one for pair in pairs for one in _state(part, pair, first=case.bootstrap is not None)]
    if not stated:
        why = "a first champion has nobody to be less fair than, and the policy limits no gap"
        return [part.reason(RULE, Verdict.PASS, why, measure="groups", value=0)]
    verdicts = decide_together([one.holds for one in stated], [one.fails for one in stated], case.policy.alpha)
    return [_tell(part, *judged) for judged in zip(stated, verdicts, strict=True)]


def find_pairs(part: Part, rule: FairnessRule) -> Iterator[Pair]:
    """Yield every pair of groups of every column, as a whole and by label, as far as the policy asks of them."""
    said = np.array([label_of(one) for one in part.challenger.references], dtype=np.str_)
    labels = part.encoding.labels if part.task.NAME == "emotion" else ()
    for column in rule.by:
        for (one, ours), (other, theirs) in combinations(cut_slices(part.challenger.columns, (column,)), 2):
            name = f"{one}:{other.partition('=')[2]}"
            thin = _why_thin(part, rule, {one: ours, other: theirs})
            if rule.gap is not None:
                yield Pair(name, rule.measure, (ours, theirs), rule.gap, take_measure(rule.measure), thin)
            if rule.recall_gap is not None:
                for label in labels:
                    of_label = (ours & (said == label), theirs & (said == label))
                    few = thin or _why_rare(rule, label, of_label)
                    yield Pair(f"{name},label={label}", "recall", of_label, rule.recall_gap, take_recall, few)


def _why_thin(part: Part, rule: FairnessRule, groups: dict[str, Bools]) -> str:
    for name, rows in groups.items():
        answers = part.challenger.take(rows)
        if is_thin(answers, rule):
            asked = f"the policy asks for {rule.minimum_utterances} of {rule.minimum_speakers}"
            return f"{name} has {len(answers)} utterances of {answers.speaker_count()} speakers, {asked}"
    return ""


def _why_rare(rule: FairnessRule, label: str, groups: tuple[Bools, Bools]) -> str:
    least = min(int(rows.sum()) for rows in groups)
    if least >= rule.minimum_per_label:
        return ""
    return f"a group says {label} {least} times, the policy asks for {rule.minimum_per_label}"


def _state(part: Part, pair: Pair, *, first: bool) -> Iterator[Statement]:
    """Yield what is asked of a pair: its limit, and unless this is a first champion its margin."""
    gap = None if pair.thin else measure_gap(part, pair.groups, pair.take)
    limit, margin = pair.asked.limit, None if first else pair.asked.margin
    if limit is not None:
        measure, told = f"{pair.measure} gap", _show(pair, gap)
        value = None if gap is None else abs(gap.challenger.estimate)
        chances = (math.nan, math.nan) if gap is None else (gap.chance_within(limit), gap.chance_beyond(limit))
        yield Statement(pair, measure, limit, value, f"{told}, asked for is less than {limit:.3f}", *chances)
    if margin is not None:
        yield _state_margin(part, pair, gap, margin)


def _state_margin(part: Part, pair: Pair, gap: GroupGap | None, margin: float) -> Statement:
    measure = f"{pair.measure} gap beside the champion's"
    text = f"{_show_both(pair, gap)}, asked for is not larger by {margin:.3f}"
    if gap is None or gap.champion is None:
        return Statement(pair, measure, margin, None if gap is None else gap.growth, text, math.nan, math.nan)
    least = gap.least_lead if pair.asked.or_all_raised else None
    if least is None:
        chances = (gap.chance_kept(margin), gap.chance_grown(margin))
        return Statement(pair, measure, margin, gap.growth, text, *chances)
    chances = (gap.chance_fair(margin), gap.chance_unfair(margin))
    text += (
        f", or that all are raised: the worst served now are ahead of the best served before by {show_interval(least)}"
    )
    if not gap.is_settled_by_raise(margin, part.policy.alpha):
        return Statement(pair, measure, margin, gap.growth, text, *chances)
    raised = f"{pair.measure} of the worst served over the best served before"
    return Statement(pair, raised, 0.0, least.estimate, text, *chances)


def _show(pair: Pair, gap: GroupGap | None) -> str:
    return pair.thin or f"{pair.measure} of {pair.name} is apart by {show_interval(gap.challenger) if gap else ''}"


def _show_both(pair: Pair, gap: GroupGap | None) -> str:
    champion = "there is no champion" if gap is None or gap.champion is None else show_interval(gap.champion)
    return _show(pair, gap) if pair.thin else f"{_show(pair, gap)}, the champion's by {champion}"


def _tell(part: Part, one: Statement, verdict: Verdict) -> Reason:
    value = one.value if one.value is not None and math.isfinite(one.value) else None
    rows = one.pair.groups[0] | one.pair.groups[1]
    return part.reason(
        RULE, verdict, one.text, measure=one.measure, value=value, bound=one.bound, cut=one.pair.name, rows=rows
    )
