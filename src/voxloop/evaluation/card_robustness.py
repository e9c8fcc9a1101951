"""The figures of a model card beyond the rows as they are: changed conditions, behaviour, gaps between groups."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from voxloop.evaluation.answers import CHALLENGER, CHAMPION
from voxloop.evaluation.behaviour import CLEAN
from voxloop.evaluation.card import BehaviourFigures, ConditionShown, GapFigures, RobustnessShown
from voxloop.evaluation.card_figures import order_measures
from voxloop.evaluation.case import Case, Part
from voxloop.evaluation.claims import claim_interval, claim_lead
from voxloop.evaluation.fairness import measure_gap
from voxloop.evaluation.fairness_rules import find_pairs
from voxloop.evaluation.judgement import IntervalRecord
from voxloop.evaluation.policy_sections import FairnessRule, Gap
from voxloop.evaluation.robustness import Changed
from voxloop.evaluation.samples import Sample


def figure_changed(case: Case) -> RobustnessShown | None:
    """Return what became of the rows that were asked again; None where none were, or the evidence is not sound."""
    if case.robustness is None or case.robustness.problem:
        return None
    changed, rule = case.robustness.changed, case.policy.robustness
    measure = rule.measure if rule is not None else order_measures(case.first)[0]
    ours = changed.clean[CHALLENGER]
    return RobustnessShown(
        utterances=len(ours),
        speakers=ours.speaker_count(),
        measure=measure,
        conditions=tuple(_figure_condition(case, changed, name, measure) for name in changed.under),
        behaviour=tuple(_figure_test(case, changed, name) for name in changed.tests),
    )


def _figure_condition(case: Case, changed: Changed, name: str, measure: str) -> ConditionShown:
    rule = case.policy.robustness
    asked = rule.conditions.get(name) if rule is not None else None
    ours, theirs = (_sample(changed, name, model, measure) for model in (CHALLENGER, CHAMPION))
    clean = _sample(changed, CLEAN, CHALLENGER, measure)
    margin = None if asked is None or rule is None else asked.margin or rule.margin
    return ConditionShown(
        name=name,
        condition="" if name == CLEAN else _describe(changed, name),
        challenger=_interval(case, ours),
        champion=_interval(case, theirs),
        lead=_lead(case, f"{measure} lead", ours, theirs),
        bound=None if margin is None else -margin,
        loss=None if name == CLEAN else _lead(case, f"{measure} loss", clean, ours),
        most_loss=None if asked is None else asked.most_loss,
    )


def _describe(changed: Changed, name: str) -> str:
    known = changed.changes.conditions[name].model_dump(mode="json")
    return ", ".join([str(known.pop("kind")), *(f"{key} {value}" for key, value in known.items())])


def _sample(changed: Changed, name: str, model: str, measure: str) -> Sample | None:
    return changed.samples[name].get(model, {}).get(measure)


def _interval(case: Case, sample: Sample | None) -> IntervalRecord | None:
    if sample is None:
        return None
    found = claim_interval(case.policy.claim, sample, level=case.policy.level)
    return IntervalRecord.of(sample.measure.name, found)


def _lead(case: Case, name: str, ours: Sample | None, theirs: Sample | None) -> IntervalRecord | None:
    if ours is None or theirs is None:
        return None
    return IntervalRecord.of(name, claim_lead(case.policy.claim, ours, theirs, level=case.policy.level))


def _figure_test(case: Case, changed: Changed, name: str) -> BehaviourFigures:
    rule, held = case.policy.behaviour, {model: changed.hold(name, model) for model in changed.models}
    shares = {model: None if rows is None or not len(rows) else float(np.mean(rows)) for model, rows in held.items()}
    return BehaviourFigures(
        name=name,
        kind=changed.tests[name].kind,
        rows=max((len(rows) for rows in held.values() if rows is not None), default=0),
        challenger=shares[CHALLENGER],
        champion=shares.get(CHAMPION),
        asked=rule.shares.get(name) if rule is not None else None,
    )


def figure_gaps(part: Part) -> Iterator[GapFigures]:
    """Yield how far groups are apart: as the policy asks, else by gender in the first measure and by label."""
    asked = part.policy.fairness
    shown = asked or FairnessRule(
        by=("gender",), measure=order_measures(part)[0], gap=Gap(limit=1.0), recall_gap=Gap(limit=1.0)
    )
    for pair in find_pairs(part, shown):
        gap = None if pair.thin else measure_gap(part, pair.groups, pair.take)
        champion = None if gap is None else gap.champion
        raised = None if gap is None or not pair.asked.or_all_raised else gap.least_lead
        yield GapFigures(
            name=pair.name,
            measure=pair.measure,
            thin=pair.thin,
            challenger=None if gap is None else IntervalRecord.of(f"{pair.measure} gap", gap.challenger),
            champion=None if champion is None else IntervalRecord.of(f"{pair.measure} gap", champion),
            growth=None if gap is None or gap.growth is None or not np.isfinite(gap.growth) else gap.growth,
            limit=pair.asked.limit if asked is not None else None,
            margin=pair.asked.margin if asked is not None else None,
            raised=None if raised is None else IntervalRecord.of(f"{pair.measure} lead", raised),
        )
