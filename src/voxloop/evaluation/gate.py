"""The gate: holds an evaluation against a policy and says `PASS`, `FAIL` or `CANNOT_TELL`, with reasons.

It fails closed. What is missing, empty, thin, repeated, not finite, altered or crashes is `CANNOT_TELL`; `PASS` needs
every rule to have spoken and every reason to pass.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from voxloop.evaluation.case import Case, Known, read_case
from voxloop.evaluation.judgement import (
    Bootstrap,
    IntervalRecord,
    Intervals,
    Judgement,
    PolicyRecord,
    Reason,
)
from voxloop.evaluation.policy import Claim, GatePolicy
from voxloop.evaluation.rules import MODEL_RULES
from voxloop.evaluation.scoring import ScoringConfig
from voxloop.evaluation.soundness import SOUNDNESS_RULES
from voxloop.store.atomic import write_file
from voxloop.store.digests import digest_tree
from voxloop.verdict import Verdict

Rule = Callable[[Case], list[Reason]]

SOUND = frozenset({"task", "rows", "finite", "report"})
"""Without `configuration`: what was asked otherwise decides nothing, but its figures are true and can be shown."""
SOUND_IF_ASKED = frozenset({"sets"})
"""Rules about the evidence that speak only where something is known from elsewhere."""
NEEDED = SOUND | {"utterances", "speakers", "labels", "limit", "slices", "fairness"}
NEEDED_ONCE = {"configuration", "robustness", "behaviour", "golden"}
"""Rules about what is of no set, or of the first alone."""
OF_SPEAKERS = frozenset({"limit", "comparison", "slices", "fairness", "robustness"})
"""Rules whose intervals are over speakers."""
SPELLING = ("normaliser", "normaliser_version", "unspoken")
"""Parts of a recogniser's encoding."""


def judge_evaluation(
    folder: Path,
    policy: GatePolicy,
    *,
    policy_name: str,
    task: str,
    bootstrap: Bootstrap | None = None,
    reason_set: str | None = None,
    asked: ScoringConfig | None,
    known: Known | None = None,
) -> Judgement:
    """Judge an evaluation folder.

    Args:
        folder: Written by `evaluate`.
        policy: What to hold it against.
        policy_name: Name the verdict gives the policy.
        task: Task the evaluation must be of.
        bootstrap: An approver's word for the first champion ever.
        reason_set: The evaluation set that gave the reason for this retraining, if one did.
        asked: How the models had to be asked; None compares nothing, for evidence of a time that had its own way.
        known: What the ledger knows of the family; None where it is not asked, as of the past.

    Returns:
        The verdict and its reasons; nothing that is wrong with the evaluation raises.
    """
    case: Case | None = None
    deciding, intervals = None, Intervals()
    try:
        case = replace(read_case(folder, policy, task, bootstrap, reason_set, known), asked=asked)
        reasons = judge(case)
        if is_sound(reasons):
            deciding, intervals = deciding_interval(case), show_intervals(case)
    except Exception as crash:  # noqa: BLE001 - whatever goes wrong in judging, the answer is that it cannot tell
        reasons = [_crashed("evidence", crash)]
    return Judgement(
        verdict=combine(reasons, [part.name for part in case.parts] if case else ()),
        reasons=tuple(reasons),
        policy=PolicyRecord(name=policy_name, digest=policy.digest()),
        task=task,
        evaluation_digest=digest_tree(folder),
        model_digest=case.evaluation.model_digest if case else None,
        champion=case.evaluation.champion if case else None,
        bootstrap=bootstrap,
        reason_set=reason_set,
        claim=policy.claim,
        claim_text=describe_claim(policy.claim, case.first.challenger.speaker_count() if case else 0),
        interval=deciding,
        intervals=intervals,
        spelling=find_spelling(case) if case else {},
    )


def judge(case: Case) -> list[Reason]:
    """Return what each rule says; the rules about the models are asked only when the evidence is sound."""
    reasons = _ask(SOUNDNESS_RULES, case)
    if Verdict.combine(reason.verdict for reason in reasons) is Verdict.PASS:
        reasons += doubt_few_speakers(_ask(MODEL_RULES, case), case)
    return reasons


def doubt_few_speakers(reasons: Sequence[Reason], case: Case) -> list[Reason]:
    """Return the reasons, in which nothing about new speakers fails on a set with too few of them to say anything."""
    if case.policy.claim is not Claim.NEW_SPEAKERS:
        return list(reasons)
    least = case.policy.minimum_speakers
    few = {part.name: n for part in case.parts if (n := part.challenger.speaker_count()) < least}

    def doubt(one: Reason) -> Reason:
        if one.verdict is not Verdict.FAIL or one.rule not in OF_SPEAKERS or one.evaluation_set not in few:
            return one
        text = f"{one.text}; {few[one.evaluation_set]} speakers are no proof of it, the policy asks for {least}"
        return one.model_copy(update={"verdict": Verdict.CANNOT_TELL, "text": text})

    return [doubt(one) for one in reasons]


def combine(reasons: Sequence[Reason], sets: Sequence[str]) -> Verdict:
    """Return the verdict of all reasons: `PASS` only when every rule has spoken of every set and none objects."""
    verdict = Verdict.combine(reason.verdict for reason in reasons)
    appointed = any(reason.rule == "bootstrap" for reason in reasons)
    complete = bool(sets) and {reason.rule for reason in reasons} >= NEEDED_ONCE
    complete &= all(_is_complete(reasons, one, appointed=appointed) for one in sets)
    return Verdict.CANNOT_TELL if verdict is Verdict.PASS and not complete else verdict


def _is_complete(reasons: Sequence[Reason], evaluation_set: str, *, appointed: bool) -> bool:
    spoken = {reason.rule for reason in reasons if reason.evaluation_set == evaluation_set}
    return spoken >= NEEDED and (appointed or "comparison" in spoken)


def describe_claim(claim: Claim, speakers: int) -> str:
    """Return how many speakers stand behind a claim, and what it does not say."""
    stand = f"{speakers} {'speaker stands' if speakers == 1 else 'speakers stand'} behind this claim"
    if claim is Claim.NEW_SPEAKERS:
        return f"{stand} about new speakers"
    return f"{stand}; it says nothing about new speakers"


def write_judgement(judgement: Judgement, folder: Path) -> None:
    """Write `verdict.json`, and `verdict.txt` with the one word and nothing else."""
    text = json.dumps(judgement.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_file(folder / "verdict.json", text + "\n")
    write_file(folder / "verdict.txt", str(judgement.verdict))


def is_sound(reasons: Sequence[Reason]) -> bool:
    """Return whether every rule about the evidence itself has spoken and passed."""
    about = [reason for reason in reasons if reason.rule in SOUND | SOUND_IF_ASKED]
    return {reason.rule for reason in about} >= SOUND and all(reason.verdict is Verdict.PASS for reason in about)


def deciding_interval(case: Case) -> IntervalRecord | None:
    """Return the interval a verdict hangs on first: of the lead, of the measure for a bootstrap; None without."""
    name, part = case.policy.primary, case.first
    if case.bootstrap is not None:
        return IntervalRecord.of(name, part.challenger_interval(name))
    return IntervalRecord.of(f"{name} lead", part.lead(name)) if len(part.champion) else None


def show_intervals(case: Case) -> Intervals:
    """Return the interval of the first measure of each model on the first set, None for one that answered nothing."""
    name, part = case.policy.primary, case.first
    return Intervals(
        challenger=IntervalRecord.of(name, part.challenger_interval(name)) if len(part.challenger) else None,
        champion=IntervalRecord.of(name, part.champion_interval(name)) if len(part.champion) else None,
    )


def find_spelling(case: Case) -> dict[str, str]:
    """Return how the words of both sides were spelled before they were compared; empty where none are."""
    encoding = case.evaluation.encoding
    return {name: str(encoding[name]) for name in SPELLING if name in encoding}


def _ask(rules: Sequence[Rule], case: Case) -> list[Reason]:
    return [reason for rule in rules for reason in _ask_one(rule, case)]


def _ask_one(rule: Rule, case: Case) -> list[Reason]:
    try:
        return rule(case)
    except Exception as crash:  # noqa: BLE001 - a rule that crashes cannot tell, and the others are still heard
        return [_crashed(rule.__name__, crash)]


def _crashed(rule: str, crash: Exception) -> Reason:
    text = f"{type(crash).__name__}: {crash}"
    return Reason(rule=rule, measure="evidence", value=None, bound=None, verdict=Verdict.CANNOT_TELL, text=text)
