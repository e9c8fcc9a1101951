"""When drift asks for a retraining: k of the last n windows, the latest among them, and not just after the last one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from pydantic import Field, model_validator

from voxloop.config import StrictModel
from voxloop.monitoring.decision import DecisionPolicy
from voxloop.monitoring.drift.check import CheckConfig, Outcome
from voxloop.monitoring.drift.season import SeasonPolicy
from voxloop.monitoring.label_policy import LabelPolicy


class ReportConfig(StrictModel):
    """What a person's page of a window is drawn from; section `report` of `configs/drift/<task>.yaml` says why so.

    Args:
        rows: Of the reference, and of the window, at most; beyond it some are drawn.
        seed: Of that draw.
    """

    rows: int = Field(ge=100)
    seed: int = Field(ge=0)


class DriftPolicy(StrictModel):
    """What is watched and when it asks for a retraining; `configs/drift/<task>.yaml` says why so.

    Args:
        window_minutes: Length of a window; a day is a whole number of them.
        windows: How many of the latest windows are looked at, n.
        drifted: How many of them must have drifted, k.
        cool_down_hours: After a retraining was claimed or has ended, in which none is asked for.
        most_lost: Share of a window's rows that may be known to be lost.
        clock_seconds: By how much clocks may disagree.
        settle_seconds: After the end of a window, until its last rows are written.
        season: By which hours or weekdays a window is held against its reference.
        check: How a window is judged.
        report: What a person's page of a window is drawn from.
        decision: What is done when it does.
        labels: Which labels production is measured by.
    """

    window_minutes: int = Field(ge=1, le=1_440)
    windows: int = Field(ge=1, le=1_000)
    drifted: int = Field(ge=1)
    cool_down_hours: float = Field(ge=0)
    most_lost: float = Field(ge=0, lt=1)
    clock_seconds: float = Field(gt=0)
    settle_seconds: float = Field(ge=0)
    season: SeasonPolicy
    check: CheckConfig
    report: ReportConfig
    decision: DecisionPolicy
    labels: LabelPolicy

    @property
    def length(self) -> timedelta:
        """Of a window."""
        return timedelta(minutes=self.window_minutes)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.drifted > self.windows:
            raise ValueError(f"{self.drifted} drifted windows of {self.windows} there cannot be")
        if 1_440 % self.window_minutes:
            raise ValueError(f"a day is no whole number of windows of {self.window_minutes} minutes")
        return self


@dataclass(frozen=True, order=True)
class JudgedWindow:
    """What was said of [start, end)."""

    start: datetime
    end: datetime
    outcome: Outcome


@dataclass(frozen=True)
class Decision:
    """Whether a retraining is asked for.

    Args:
        is_triggered: Whether it is.
        reasons: Why, or why not: every reason.
        windows: The windows that were looked at, by time.
    """

    is_triggered: bool
    reasons: tuple[str, ...]
    windows: tuple[JudgedWindow, ...]

    @property
    def episode(self) -> datetime | None:
        """When the drift that asks for a retraining began: its first window's start; None when none is asked for."""
        return next((one.start for one in self.windows if self.is_triggered and one.outcome is Outcome.DRIFT), None)


def decide(
    policy: DriftPolicy, windows: Iterable[JudgedWindow], last_retraining: datetime | None, now: datetime
) -> Decision:
    """Say whether drift asks for a retraining. Whatever is not known for sure asks for none.

    Windows that are not over, of another length, or begun before the last retraining do not count; a window of
    which two things were said cannot be told.

    Args:
        policy: By which.
        windows: In any order.
        last_retraining: When the family's last one was claimed or ended, aware; None for never.
        now: Aware.
    """
    looked_at = choose_windows(policy, windows, last_retraining, now)
    drifted = [window for window in looked_at if window.outcome is Outcome.DRIFT]
    against = [
        *_find_cool_down(policy, last_retraining, now),
        *_find_latest(policy, looked_at, now),
        *([_count(drifted, looked_at, policy)] if len(drifted) < policy.drifted else []),
    ]
    reasons = against or [_count(drifted, looked_at, policy)]
    return Decision(not against, tuple(reasons), tuple(looked_at))


def choose_windows(
    policy: DriftPolicy, windows: Iterable[JudgedWindow], last_retraining: datetime | None, now: datetime
) -> list[JudgedWindow]:
    """Return the windows that count, the latest `policy.windows` by time; arguments as `decide`."""
    said: dict[tuple[datetime, datetime], Outcome] = {}
    for window in windows:
        is_over = window.end <= now and window.end - window.start == policy.length
        if is_over and (last_retraining is None or window.start >= last_retraining):
            span = (window.start, window.end)
            same = said.get(span, window.outcome) is window.outcome
            said[span] = window.outcome if same else Outcome.CANNOT_TELL
    ordered = sorted(JudgedWindow(start, end, outcome) for (start, end), outcome in said.items())
    if not ordered:
        return []
    since = ordered[-1].end - policy.windows * policy.length
    return [window for window in ordered if window.start >= since]


def _find_cool_down(policy: DriftPolicy, last_retraining: datetime | None, now: datetime) -> list[str]:
    if last_retraining is None:
        return []
    if last_retraining > now:
        return [f"the last retraining is in the future ({last_retraining.isoformat()}): a clock is wrong"]
    until = last_retraining + timedelta(hours=policy.cool_down_hours)
    if now < until:
        return [
            f"the last retraining was at {last_retraining.isoformat()}: none is asked for until {until.isoformat()}"
        ]
    return []


def _find_latest(policy: DriftPolicy, windows: Sequence[JudgedWindow], now: datetime) -> list[str]:
    if not windows:
        return ["no window is over since the last retraining"]
    latest = windows[-1]
    if now - latest.end > policy.length + timedelta(seconds=policy.settle_seconds):
        return [f"the latest window ended at {latest.end.isoformat()}: nothing is known of what came after"]
    if latest.outcome is not Outcome.DRIFT:
        return [f"the latest window is {latest.outcome}"]
    return []


def _count(drifted: Sequence[JudgedWindow], windows: Sequence[JudgedWindow], policy: DriftPolicy) -> str:
    return (
        f"{len(drifted)} of the last {policy.windows} windows have drifted, of {policy.drifted} at least "
        f"({len(windows)} were judged)"
    )
