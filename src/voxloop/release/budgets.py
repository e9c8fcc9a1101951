"""What a model may take on the server before it takes over: time, beside the champion's, and memory."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from voxloop.config import StrictModel


class LatencyBudget(StrictModel):
    """How long one request may take, p95 over the rounds of an attempt.

    Args:
        seconds: Length of the sound that is asked about, s.
        rounds: How often each model is asked in an attempt; a first round is not counted.
        attempts: After so many over budget the model is too slow.
        p95_ms: At most, ms.
        ratio: At most so many times the champion's p95, and `slack_ms` more.
        slack_ms: What a busy processor may add, ms.
    """

    seconds: float = Field(gt=0)
    rounds: int = Field(ge=1)
    attempts: int = Field(ge=1)
    p95_ms: float = Field(gt=0)
    ratio: float = Field(ge=1)
    slack_ms: float = Field(ge=0)

    def bound(self, champion_p95_ms: float | None) -> float:
        """Return the largest p95 that is within budget, ms, beside a champion's; None without one."""
        if champion_p95_ms is None:
            return self.p95_ms
        return min(self.p95_ms, self.ratio * champion_p95_ms + self.slack_ms)


class MemoryBudget(StrictModel):
    """Resident memory of a model's processes at most, MiB."""

    limit_mib: float = Field(gt=0)


class ProbeBudgets(StrictModel):
    """What a model must keep to while it is probed.

    Args:
        latency: Time.
        memory: Memory.
        unmeasured: What becomes of a model of which one of them cannot be measured.
    """

    latency: LatencyBudget
    memory: MemoryBudget
    unmeasured: Literal["refuse", "allow"]
