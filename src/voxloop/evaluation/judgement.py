"""What a gate says: a verdict and the reasons for it, one a rule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from voxloop.config import StrictModel
from voxloop.evaluation.intervals import Interval
from voxloop.evaluation.policy import Claim
from voxloop.evaluation.report import TEST_SPLIT, Champion
from voxloop.verdict import Verdict


class Reason(StrictModel):
    """What one rule found.

    Args:
        rule: Name of the rule.
        measure: What was measured.
        value: What it came to; None where it could not be measured.
        bound: What it was held against; None where the rule holds no number.
        evaluation_set: On which set; empty for what is of none.
        slice: Of which part of it: `all`, or `label=anger`.
        utterances: Utterances in that slice.
        speakers: Speakers who said them.
        verdict: What follows.
        text: The same as one sentence.
    """

    rule: str
    measure: str
    value: float | int | str | None
    bound: float | int | str | None
    evaluation_set: str = ""
    slice: str = "all"
    utterances: int = 0
    speakers: int = 0
    verdict: Verdict
    text: str

    @property
    def place(self) -> str:
        """The rule, and where it was asked if that is not the test split as a whole."""
        where = [part for part in (self.evaluation_set, self.slice) if part not in ("", TEST_SPLIT, "all")]
        return f"{self.rule} ({', '.join(where)})" if where else self.rule


class Bootstrap(StrictModel):
    """An approver's word for the first champion a task ever has."""

    because: str


class PolicyRecord(StrictModel):
    """Which policy judged."""

    name: str
    digest: str


class IntervalRecord(StrictModel):
    """An interval in JSON: ends are None where the data cannot tell."""

    measure: str
    estimate: float | None
    low: float | None
    high: float | None
    level: float
    method: str

    @classmethod
    def of(cls, measure: str, interval: Interval) -> IntervalRecord:
        """Return `interval` with null for what is not a number."""
        estimate, low, high = (value if math.isfinite(value) else None for value in interval[:3])
        return cls(measure=measure, estimate=estimate, low=low, high=high, level=interval.level, method=interval.method)


class Intervals(StrictModel):
    """The policy's first measure of each model on the first set, for the table a person reads."""

    challenger: IntervalRecord | None = None
    champion: IntervalRecord | None = None


class Judgement(StrictModel):
    """The content of `verdict.json`. It holds no time: the same evidence gives the same bytes.

    `interval` is of the challenger's lead over the champion in the policy's first measure, or of the measure itself
    where a bootstrap stands in for the champion. `spelling` says how words were spelled before they were compared; it
    is empty for a family that answers none.
    """

    schema_version: Literal[2] = 2
    verdict: Verdict
    reasons: tuple[Reason, ...]
    policy: PolicyRecord
    task: str
    evaluation_digest: str
    model_digest: str | None
    champion: Champion | None
    bootstrap: Bootstrap | None
    reason_set: str | None
    claim: Claim
    claim_text: str
    interval: IntervalRecord | None
    intervals: Intervals
    spelling: Mapping[str, str] = {}

    def lines(self) -> list[str]:
        """Return the verdict and its reasons as lines for a person."""
        said = [f"  {reason.verdict:<11} {reason.place}: {reason.text}" for reason in self.reasons]
        return [f"verdict {self.verdict} under policy {self.policy.name}: {self.claim_text}", *said]

    def as_evidence(self) -> dict[str, object]:
        """Return what a ledger keeps of it: digests and numbers; the words may name an utterance, and stay out."""
        return {
            "evaluation": self.evaluation_digest,
            "policy": self.policy.model_dump(mode="json"),
            "champion": self.champion.model_digest if self.champion else None,
            "reason_set": self.reason_set,
            "reasons": [reason.model_dump(mode="json", exclude={"text"}) for reason in self.reasons],
            "measured": self._describe_measured(),
        }

    def _describe_measured(self) -> dict[str, object] | None:
        """Return how good the model was, how sure that is, on which set: what production is held against later."""
        interval = self.intervals.challenger
        place = next((reason.evaluation_set for reason in self.reasons if reason.evaluation_set), None)
        if interval is None or place is None:
            return None
        return {**interval.model_dump(mode="json"), "evaluation_set": place, "spelling": dict(self.spelling)}
