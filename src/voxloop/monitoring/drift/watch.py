"""Watching the prediction log: the latest windows, what is said of each, and whether that asks for a retraining."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from voxloop.errors import RefusedError
from voxloop.ledger.entry import ATTEMPT_ENDED, REGISTRATION, RETRAINING, Entry
from voxloop.monitoring.drift.check import Judgement, check_window
from voxloop.monitoring.drift.columns import fix_columns
from voxloop.monitoring.drift.holding import hold_against
from voxloop.monitoring.drift.policy import Decision, DriftPolicy, JudgedWindow
from voxloop.monitoring.drift.profile import make_profile, profile_slots
from voxloop.monitoring.drift.profile_file import ReferenceFile, describe_reference
from voxloop.monitoring.drift.window import read_predictions

REPORT_VERSION = 1
ANSWERS = (RETRAINING, ATTEMPT_ENDED, REGISTRATION)
"""Entries that answer drift: a retraining was claimed, or has ended, if only for its data; a model was registered.

A judgement is none: the gate writes it for an experiment too, and whenever a policy is tried.
"""


@dataclass(frozen=True)
class WatchedWindow:
    """A window, which part of the reference it was held against, and what is said of it."""

    start: datetime
    end: datetime
    judgement: Judgement
    held_against: str

    def as_judged(self) -> JudgedWindow:
        """Return what the policy needs."""
        return JudgedWindow(self.start, self.end, self.judgement.outcome)


def make_reference(place: Path, family: str, since: datetime, until: datetime, policy: DriftPolicy) -> ReferenceFile:
    """Profile the answers of [since, until) by the slots of the policy's season, and fix the bins by all of them.

    Args:
        place: Folder of the prediction log.
        family: Whose.
        since: Aware.
        until: Aware, after it.
        policy: What a reference must have.

    Raises:
        InputError: The interval is none.
        RefusedError: The log is not whole there, or there are too few speakers.
    """
    tolerance = timedelta(seconds=policy.clock_seconds)
    read = read_predictions(place, family, since, until, most_lost=policy.most_lost, tolerance=tolerance)
    columns = fix_columns(read.predictions.known_values(), policy.check.bins)
    problems = [*read.problems]
    speakers = len(read.predictions.speakers.sort().names)
    if speakers < policy.check.least_reference_speakers:
        problems.append(f"{speakers} speakers, of {policy.check.least_reference_speakers} at least")
    if not columns:
        problems.append("no column has a value")
    if problems:
        raise RefusedError(
            f"{since.isoformat()} to {until.isoformat()} is no reference for {family}: {'; '.join(problems)}",
            rule="what windows are held against is whole, and of many speakers",
            remedy="take another or a longer interval",
        )
    season = policy.season.season
    slots = profile_slots(family, columns, read.predictions, season.find_slots(read.moments))
    return describe_reference(slots, season, since, until)


def list_windows(policy: DriftPolicy, at: datetime) -> list[tuple[datetime, datetime]]:
    """Return the latest windows that are over and written, oldest first; they begin on whole lengths after midnight."""
    written = at.astimezone(UTC) - timedelta(seconds=policy.settle_seconds)
    midnight = written.replace(hour=0, minute=0, second=0, microsecond=0)
    end = midnight + (written - midnight) // policy.length * policy.length
    ends = [end - number * policy.length for number in reversed(range(policy.windows))]
    return [(one - policy.length, one) for one in ends]


def watch_windows(place: Path, reference: ReferenceFile, policy: DriftPolicy, at: datetime) -> list[WatchedWindow]:
    """Judge the latest windows, oldest first.

    Args:
        place: Folder of the prediction log.
        reference: What they are held against.
        policy: How.
        at: Aware.

    Raises:
        InputError: The reference is kept by another season than the policy's.
    """
    return [judge_window(place, reference, policy, start, end) for start, end in list_windows(policy, at)]


def judge_window(
    place: Path, reference: ReferenceFile, policy: DriftPolicy, start: datetime, end: datetime
) -> WatchedWindow:
    """Judge one window; arguments as `watch_windows`."""
    held = hold_against(reference, policy, start, end)
    tolerance = timedelta(seconds=policy.clock_seconds)
    read = read_predictions(place, reference.family, start, end, most_lost=policy.most_lost, tolerance=tolerance)
    problems = [*read.problems, *held.problems]
    if start < reference.until and end > reference.since:
        problems.append("it is part of the reference")
    window = make_profile(reference.family, reference.columns, read.predictions)
    judged = check_window(held.profile, window, policy.check, problems=problems, notes=held.notes)
    return WatchedWindow(start, end, judged, held.name)


def find_last_retraining(entries: Iterable[Entry], family: str) -> datetime | None:
    """Return when a retraining of the family was last claimed or ended, or a model registered; None for never."""
    moments = (datetime.fromisoformat(entry.at) for entry in entries if entry.task == family and entry.kind in ANSWERS)
    return max(moments, default=None)


def describe_watch(
    reference: ReferenceFile, windows: Sequence[WatchedWindow], decision: Decision, at: datetime
) -> dict[str, Any]:
    """Return the report of a watch as JSON values."""
    whole = reference.as_profile()
    return {
        "report_version": REPORT_VERSION,
        "family": reference.family,
        "at": at.isoformat(),
        "reference": {
            "since": reference.since.isoformat(),
            "until": reference.until.isoformat(),
            "speakers": len(whole.speakers),
            "rows": whole.row_count,
            "season": reference.season.model_dump(mode="json"),
        },
        "windows": [
            {
                "start": one.start.isoformat(),
                "end": one.end.isoformat(),
                "held_against": one.held_against,
                **asdict(one.judgement),
            }
            for one in windows
        ],
        "decision": {
            "is_triggered": decision.is_triggered,
            "episode": None if decision.episode is None else decision.episode.isoformat(timespec="minutes"),
            "reasons": list(decision.reasons),
            "windows": [one.start.isoformat() for one in decision.windows],
        },
    }
