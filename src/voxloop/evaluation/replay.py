"""What a policy would have said of models that went through under another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voxloop.errors import InputError
from voxloop.evaluation.gate import judge_evaluation
from voxloop.evaluation.judgement import Judgement, Reason
from voxloop.evaluation.policy import GatePolicy
from voxloop.evaluation.report import read_json_record
from voxloop.verdict import Verdict


@dataclass(frozen=True)
class Replayed:
    """One promotion of the past under another policy.

    Args:
        name: Of the model version.
        before: Policy it went through under.
        verdict: Of the policy now.
        objections: The reasons that are not `PASS`.
    """

    name: str
    before: str
    verdict: Verdict
    objections: tuple[Reason, ...]

    @property
    def is_stopped(self) -> bool:
        """Whether it would not have gone through."""
        return self.verdict is not Verdict.PASS

    def lines(self) -> list[str]:
        """Return what would have become of it, and why."""
        went = "would have been stopped" if self.is_stopped else "goes through"
        said = [f"    {reason.verdict:<11} {reason.place}: {reason.text}" for reason in self.objections]
        return [f"{self.name}  {went}: {self.verdict} (was PASS under {self.before})", *said]


def replay(name: str, evaluation: Path, verdict: Path, policy: GatePolicy, *, policy_name: str, task: str) -> Replayed:
    """Judge the evaluation behind a model version again, from its answers, under another policy.

    What the version was called into being for stays: an approver's word for a first champion, and the evaluation set
    that gave the reason. Evidence that cannot be read any more cannot tell.

    Args:
        name: Of the version.
        evaluation: Folder with the evaluation it went through on.
        verdict: Folder with the verdict of then.
        policy: The other policy.
        policy_name: Its name.
        task: Family.
    """
    try:
        before = read_json_record(Judgement, verdict / "verdict.json")
    except InputError:  # lost, or written by a version of voxloop that wrote verdicts differently
        return Replayed(name, "a policy that cannot be read", Verdict.CANNOT_TELL, ())
    now = judge_evaluation(
        evaluation,
        policy,
        policy_name=policy_name,
        task=task,
        bootstrap=before.bootstrap,
        reason_set=before.reason_set,
    )
    objections = tuple(reason for reason in now.reasons if reason.verdict is not Verdict.PASS)
    return Replayed(name, before.policy.name, now.verdict, objections)


def summarise(replayed: Sequence[Replayed], policy_name: str) -> str:
    """Return one line: how many promotions of the past would have been stopped."""
    stopped = sum(one.is_stopped for one in replayed)
    return f"{policy_name} would have stopped {stopped} of {len(replayed)} promotions"
