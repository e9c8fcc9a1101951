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
        before: Verdict and policy it went through under.
        verdict: Of the policy now.
        objections: The reasons that are not `PASS`.
        problem: Why its evidence can no longer be judged; empty where it was.
    """

    name: str
    before: str
    verdict: Verdict
    objections: tuple[Reason, ...] = ()
    problem: str = ""

    @property
    def is_stopped(self) -> bool:
        """Whether the policy would not have let it through."""
        return self.verdict is not Verdict.PASS and not self.problem

    def lines(self) -> list[str]:
        """Return what would have become of it, and why."""
        if self.problem:
            return [f"{self.name}  cannot be judged again: {self.verdict}", f"    {self.problem}"]
        went = "would have been stopped" if self.is_stopped else "goes through"
        said = [f"    {reason.verdict:<11} {reason.place}: {reason.text}" for reason in self.objections]
        return [f"{self.name}  {went}: {self.verdict} (was {self.before})", *said]


def lose(name: str, problem: str) -> Replayed:
    """Return what is said of a promotion whose evidence is gone or not whole: nothing, and why.

    Args:
        name: Of the version.
        problem: What is wrong with the evidence.
    """
    return Replayed(name, "", Verdict.CANNOT_TELL, problem=problem)


def replay(name: str, evaluation: Path, verdict: Path, policy: GatePolicy, *, policy_name: str, task: str) -> Replayed:
    """Judge the evaluation behind a model version again, from its answers, under another policy.

    What the version was called into being for stays: an approver's word for a first champion, and the evaluation set
    that gave the reason. How the models were asked is not compared: that was for the configuration of then to say.
    Evidence that cannot be read any more cannot tell.

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
    except InputError as unreadable:  # lost, or written by a version of voxloop that wrote verdicts differently
        return lose(name, str(unreadable))
    now = judge_evaluation(
        evaluation,
        policy,
        policy_name=policy_name,
        task=task,
        bootstrap=before.bootstrap,
        reason_set=before.reason_set,
        asked=None,
    )
    objections = tuple(reason for reason in now.reasons if reason.verdict is not Verdict.PASS)
    return Replayed(name, f"{before.verdict} under {before.policy.name}", now.verdict, objections)


def summarise(replayed: Sequence[Replayed], policy_name: str, never_promoted: int = 0) -> str:
    """Return one line: how many promotions of the past would have been stopped, and what was not among them.

    Args:
        replayed: The promotions.
        policy_name: Name of the policy now.
        never_promoted: Versions that passed and never came into service: they are none of the promotions.
    """
    stopped, lost = sum(one.is_stopped for one in replayed), sum(bool(one.problem) for one in replayed)
    told = [f"{policy_name} would have stopped {stopped} of {len(replayed)} promotions"]
    if lost:
        told.append(f"of {lost} it cannot tell, their evidence is not whole")
    if never_promoted:
        told.append(f"{never_promoted} passed and were never promoted")
    return "; ".join(told)
