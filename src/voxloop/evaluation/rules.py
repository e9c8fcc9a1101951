"""Rules about the models: is there enough to go by, is the challenger good enough, and does it beat the champion."""

from __future__ import annotations

import numpy as np

from voxloop.evaluation.case import Case
from voxloop.evaluation.intervals import Interval
from voxloop.evaluation.judgement import Reason
from voxloop.evaluation.policy import Claim
from voxloop.verdict import Verdict


def decide(interval: Interval, bound: float) -> Verdict:
    """Return `PASS` when the whole interval lies above `bound`, `FAIL` when none of it does, else `CANNOT_TELL`.

    Ends that are not numbers cannot tell.
    """
    if interval.low > bound:
        return Verdict.PASS
    return Verdict.FAIL if interval.high <= bound else Verdict.CANNOT_TELL


def check_utterances(case: Case) -> list[Reason]:
    """There are enough test utterances."""
    return [_enough(case, "utterances", len(case.challenger), case.policy.minimum_utterances)]


def check_speakers(case: Case) -> list[Reason]:
    """There are enough test speakers for the claim."""
    return [_enough(case, "speakers", case.challenger.speaker_count(), case.policy.minimum_speakers)]


def check_labels(case: Case) -> list[Reason]:
    """Every label has enough utterances and, for a claim about new speakers, two speakers at least."""
    least, per_label = case.policy.minimum_per_label, case.challenger.per_label(case.evaluation.labels)
    thin = [label for label, count in per_label.items() if count < least or _lone_speaker(case, label)]
    if not thin and per_label:
        label = min(per_label, key=lambda name: per_label[name])
        return [_label_reason(case, label, Verdict.PASS)]
    return [_label_reason(case, label, Verdict.CANNOT_TELL) for label in thin]


def check_floor(case: Case) -> list[Reason]:
    """The challenger's UAR lies above the floor, its whole interval."""
    interval, floor = case.challenger_uar, case.policy.floor_uar
    text = f"UAR of the challenger {show_interval(interval)}, floor {floor:.3f}"
    return [
        case.reason(
            "floor", decide(interval, floor), text, measure="uar", value=_number(interval.estimate), bound=floor
        )
    ]


def check_champion(case: Case) -> list[Reason]:
    """The challenger stands as it must against the champion, or is the first there ever was, by an approver's word."""
    if case.bootstrap is not None:
        return [_check_bootstrap(case)]
    if problem := _why_no_comparison(case):
        bound = case.policy.comparison.bound
        return [
            case.reason("comparison", Verdict.CANNOT_TELL, problem, measure="uar difference", value=None, bound=bound)
        ]
    champion = case.evaluation.champion
    if champion is not None and champion.model_digest == case.evaluation.model_digest:
        return [_check_identity(case)]
    return [_check_difference(case)]


MODEL_RULES = (check_utterances, check_speakers, check_labels, check_floor, check_champion)


def show_interval(interval: Interval) -> str:
    """Return `0.812 (95 % interval 0.742 to 0.881, jackknife-t over speakers)`, or what of it can be measured."""
    if not np.isfinite(interval.estimate):
        return "cannot be measured"
    if not np.isfinite(interval.low):
        return f"{interval.estimate:.3f} (too few for an interval, {interval.method})"
    level = f"{interval.level:.0%}".replace("%", " %")
    return f"{interval.estimate:.3f} ({level} interval {interval.low:.3f} to {interval.high:.3f}, {interval.method})"


def _enough(case: Case, what: str, count: int, least: int) -> Reason:
    verdict = Verdict.PASS if count >= least else Verdict.CANNOT_TELL
    return case.reason(
        what, verdict, f"{count} test {what}, the policy asks for {least}", measure=what, value=count, bound=least
    )


def _lone_speaker(case: Case, label: str) -> bool:
    speakers = case.challenger.speaker_ids[case.challenger.references == label]
    return case.policy.claim is Claim.NEW_SPEAKERS and len(np.unique(speakers)) < 2


def _label_reason(case: Case, label: str, verdict: Verdict) -> Reason:
    least = case.policy.minimum_per_label
    rows = case.challenger.references == label
    count, speakers = int(rows.sum()), len(np.unique(case.challenger.speaker_ids[rows]))
    text = f"{label} is said {count} times by {speakers} speakers, the policy asks for {least} times"
    if case.policy.claim is Claim.NEW_SPEAKERS:
        text += " and 2 speakers"
    return case.reason("labels", verdict, text, measure="utterances", value=count, bound=least, label=label)


def _check_bootstrap(case: Case) -> Reason:
    refusal = ""
    if case.bootstrap is None or not case.bootstrap.because.strip():
        refusal = "nobody said because of what"
    elif case.evaluation.champion is not None or case.evaluation.champion_ever:
        refusal = "a champion has been in force before; only the first can be appointed"
    verdict = Verdict.CANNOT_TELL if refusal else Verdict.PASS
    text = f"bootstrap refused: {refusal}" if refusal else f"the first champion ever, because {_because(case)}"
    return case.reason("bootstrap", verdict, text, measure="champions ever", value=int(case.evaluation.champion_ever))


def _because(case: Case) -> str:
    return case.bootstrap.because.strip() if case.bootstrap else ""


def _why_no_comparison(case: Case) -> str:
    champion, ever = case.evaluation.champion, case.evaluation.champion_ever
    if champion is None:
        appoint = "an approver may appoint the first: gate --bootstrap --because '…'"
        remedy = "one has been in force: put it back before comparing" if ever else appoint
        return f"there is no champion to compare with; {remedy}"
    if not ever:
        return "a champion is named, yet none is said to have ever been in force"
    if set(champion.labels) != set(case.evaluation.labels):
        ours, theirs = ", ".join(case.evaluation.labels), ", ".join(champion.labels)
        return f"the champion answers {theirs}; the challenger {ours}"
    return "" if len(case.champion) else "the champion was not scored on these rows"


def _check_identity(case: Case) -> Reason:
    kind, bound = case.policy.comparison.kind, case.policy.comparison.bound
    verdict = Verdict.FAIL if kind == "superiority" else Verdict.CANNOT_TELL
    text = "the challenger is the champion itself, byte for byte"
    return case.reason("comparison", verdict, text, measure="uar difference", value=0.0, bound=bound)


def _check_difference(case: Case) -> Reason:
    interval, comparison = case.difference, case.policy.comparison
    kind = comparison.kind.replace("_", "-")
    text = f"UAR challenger minus champion {show_interval(interval)}, {kind} asks for more than {comparison.bound:+.3f}"
    return case.reason(
        "comparison",
        decide(interval, comparison.bound),
        text,
        measure="uar difference",
        value=_number(interval.estimate),
        bound=comparison.bound,
    )


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
