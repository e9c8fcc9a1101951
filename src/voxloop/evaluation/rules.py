"""Rules about the models: is there enough to go by, is the challenger good enough, and does it beat the champion."""

from __future__ import annotations

import numpy as np

from voxloop.evaluation.behaviour_rules import check_behaviour
from voxloop.evaluation.case import Case, Part
from voxloop.evaluation.fairness_rules import check_fairness
from voxloop.evaluation.golden_rules import check_golden
from voxloop.evaluation.judgement import Reason
from voxloop.evaluation.measures import label_of
from voxloop.evaluation.policy import Claim, Comparison
from voxloop.evaluation.robustness_rules import check_robustness
from voxloop.evaluation.slice_rules import check_slices
from voxloop.evaluation.thresholds import decide, decide_limit, show_interval
from voxloop.verdict import Verdict


def check_utterances(case: Case) -> list[Reason]:
    """Every evaluation set has enough utterances."""
    least = case.policy.minimum_utterances
    return [_enough(part, "utterances", len(part.challenger), least) for part in case.parts]


def check_speakers(case: Case) -> list[Reason]:
    """Every evaluation set has enough speakers for the claim."""
    least = case.policy.minimum_speakers
    return [_enough(part, "speakers", part.challenger.speaker_count(), least) for part in case.parts]


def check_labels(case: Case) -> list[Reason]:
    """Every label has enough utterances and, for a claim about new speakers, two speakers at least."""
    return [reason for part in case.parts for reason in _check_labels(case, part)]


def check_limit(case: Case) -> list[Reason]:
    """The challenger's measures lie on the good side of their limits, their whole intervals."""
    return [reason for part in case.parts for reason in _check_limits(case, part)]


def check_champion(case: Case) -> list[Reason]:
    """The challenger stands as it must against the champion, or is the first there ever was, by an approver's word."""
    if case.bootstrap is not None:
        return [_check_bootstrap(case)]
    if problem := _why_no_comparison(case):
        return [_no_comparison(part, case, problem) for part in case.parts]
    champion = case.evaluation.champion
    if champion is not None and champion.model_digest == case.evaluation.model_digest:
        return [_check_identity(part, case) for part in case.parts]
    return [reason for part in case.parts for reason in _check_leads(case, part)]


MODEL_RULES = (
    check_utterances,
    check_speakers,
    check_labels,
    check_limit,
    check_champion,
    check_slices,
    check_fairness,
    check_robustness,
    check_behaviour,
    check_golden,
)


def _enough(part: Part, what: str, count: int, least: int) -> Reason:
    verdict = Verdict.PASS if count >= least else Verdict.CANNOT_TELL
    return part.reason(
        what, verdict, f"{count} test {what}, the policy asks for {least}", measure=what, value=count, bound=least
    )


def _check_labels(case: Case, part: Part) -> list[Reason]:
    labels = part.encoding.labels if part.task.NAME == "emotion" else ()
    said = np.array([label_of(one) for one in part.challenger.references], dtype=np.str_)
    least, of_speakers = case.policy.minimum_per_label, 2 if case.policy.claim is Claim.NEW_SPEAKERS else 1
    found = []
    for label in labels:
        rows = said == label
        count, speakers = int(rows.sum()), len(np.unique(part.challenger.speaker_ids[rows]))
        enough = count >= least and speakers >= of_speakers
        text = f"{label} is said {count} times by {speakers} speakers, the policy asks for {least} times"
        text += " and 2 speakers" if of_speakers == 2 else ""
        verdict = Verdict.PASS if enough else Verdict.CANNOT_TELL
        cut = f"label={label}"
        found.append(
            part.reason("labels", verdict, text, measure="utterances", value=count, bound=least, cut=cut, rows=rows)
        )
    thin = [reason for reason in found if reason.verdict is not Verdict.PASS]
    if thin or not found:
        return thin or [part.reason("labels", Verdict.PASS, "the family answers no labels", measure="labels", value=0)]
    return [min(found, key=lambda reason: reason.utterances)]


def _check_limits(case: Case, part: Part) -> list[Reason]:
    found = []
    for name, rule in case.policy.measures.items():
        if (limit := rule.limit_on(part.name)) is not None:
            interval, larger = part.challenger_interval(name), part.challenger_samples[name].measure.larger_is_better
            side = "above" if larger else "below"
            text = f"{name} of the challenger {show_interval(interval)}, asked for is {side} {limit:.3f}"
            verdict = decide_limit(interval, limit, larger_is_better=larger)
            found.append(
                part.reason("limit", verdict, text, measure=name, value=_number(interval.estimate), bound=limit)
            )
    return found


def _check_bootstrap(case: Case) -> Reason:
    refusal = ""
    if case.bootstrap is None or not case.bootstrap.because.strip():
        refusal = "nobody said because of what"
    elif case.evaluation.champion is not None or case.champion_ever:
        refusal = "a champion has been in force before; only the first can be appointed"
    verdict = Verdict.CANNOT_TELL if refusal else Verdict.PASS
    text = f"bootstrap refused: {refusal}" if refusal else f"the first champion ever, because {_because(case)}"
    return case.first.reason("bootstrap", verdict, text, measure="champions ever", value=int(case.champion_ever))


def _because(case: Case) -> str:
    return case.bootstrap.because.strip() if case.bootstrap else ""


def _why_no_comparison(case: Case) -> str:
    champion, ever = case.evaluation.champion, case.champion_ever
    if champion is None:
        appoint = "an approver may appoint the first: gate --bootstrap --because '…'"
        remedy = "one has been in force: put it back before comparing" if ever else appoint
        return f"there is no champion to compare with; {remedy}"
    if not ever:
        return "a champion is named, yet none is said to have ever been in force"
    if champion.incomparable:
        return champion.incomparable
    if case.reason_set is not None and all(part.name != case.reason_set for part in case.parts):
        return f"the set that gave the reason, {case.reason_set}, was not evaluated"
    return "" if all(len(part.champion) for part in case.parts) else "the champion was not scored on these rows"


def _no_comparison(part: Part, case: Case, problem: str) -> Reason:
    measure = f"{case.policy.primary} lead"
    return part.reason("comparison", Verdict.CANNOT_TELL, problem, measure=measure, value=None)


def _check_identity(part: Part, case: Case) -> Reason:
    name = case.policy.primary
    asked = case.policy.measures[name].comparison_on(part.name, case.reason_set)
    verdict = Verdict.FAIL if asked is not None and asked.kind == "superiority" else Verdict.CANNOT_TELL
    text = "the challenger is the champion itself, byte for byte"
    return part.reason("comparison", verdict, text, measure=f"{name} lead", value=0.0)


def _check_leads(case: Case, part: Part) -> list[Reason]:
    asked = {
        name: comparison
        for name, rule in case.policy.measures.items()
        if (comparison := rule.comparison_on(part.name, case.reason_set)) is not None
    }
    return [_check_lead(part, name, comparison) for name, comparison in asked.items()]


def _check_lead(part: Part, name: str, comparison: Comparison) -> Reason:
    interval, kind = part.lead(name), comparison.kind.replace("_", "-")
    text = f"{name} lead over the champion {show_interval(interval)}, {kind} asks for more than {comparison.bound:+.3f}"
    verdict = decide(interval, comparison.bound)
    if interval.is_degenerate and verdict is Verdict.PASS:
        # Nothing varies between speakers: as a rule because both models answer every row alike, and then the
        # challenger is the champion under another digest. How sure the lead is, the sample does not say.
        verdict, text = Verdict.CANNOT_TELL, f"{text}; it is the same for every speaker, so nothing says how sure it is"
    return part.reason(
        "comparison",
        verdict,
        text,
        measure=f"{name} lead",
        value=_number(interval.estimate),
        bound=comparison.bound,
    )


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
