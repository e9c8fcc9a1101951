"""What a canary's route row says: its plan, whether it is in force, and which came to nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from voxloop.errors import IntegrityError, RefusedError
from voxloop.ledger.entry import PROMOTION, Entry
from voxloop.release.routes import find_route_row, list_route_rows

PLAN = "canary"
"""Key of the plan in the content of a route row."""
OVERDUE = timedelta(minutes=15)
"""How long after its end a canary may still be in force: its last look and its promotion take a minute."""


@dataclass(frozen=True)
class CanaryPlan:
    """What a canary is to do, as its route row keeps it.

    Args:
        version: Number of the candidate.
        candidate: Its digest.
        champion: Digest of the model it is held against.
        share: Of the callers, in [0, 1); 0 asks it as a shadow.
        until: When it ends, ISO 8601.
        rules: To abort by, as they were written.
        after: Sequence of the route row before.
    """

    version: int
    candidate: str
    champion: str
    share: float
    until: str
    rules: tuple[str, ...]
    after: int

    @property
    def ends(self) -> datetime:
        """When it ends, aware."""
        return datetime.fromisoformat(self.until)

    def is_same(self, other: CanaryPlan) -> bool:
        """Return whether another plan asks for the same; when they end is each one's own."""
        return replace(self, until="", after=0) == replace(other, until="", after=0)


def read_plan(row: Entry | None) -> CanaryPlan | None:
    """Return the plan of a canary that is in force; None where a route row is none of a canary's.

    Raises:
        IntegrityError: The row is a canary's, and this version cannot read it.
    """
    if row is None or PLAN not in row.content:
        return None
    try:
        kept: Mapping[str, object] = row.content[PLAN]
        return CanaryPlan(**{**kept, "rules": tuple(kept["rules"])})  # type: ignore[arg-type]
    except (TypeError, KeyError) as unreadable:
        raise IntegrityError(
            f"ledger entry {row.sequence} holds no plan of a canary ({unreadable})",
            rule="what is served must be known",
            remedy="use the version of voxloop that wrote it",
        ) from None


def find_standing_canary(entries: Sequence[Entry], task: str) -> tuple[Entry, CanaryPlan] | None:
    """Return the canary whose row is the route in force, overdue or not, and its plan.

    Args:
        entries: All of the ledger.
        task: Family.

    Raises:
        IntegrityError: As `read_plan`.
    """
    row = find_route_row(entries, task)
    plan = read_plan(row)
    return None if row is None or plan is None else (row, plan)


def is_running(entries: Sequence[Entry], task: str, at: datetime) -> bool:
    """Return whether a canary of a family is in force that is not overdue at a moment."""
    standing = find_standing_canary(entries, task)
    return standing is not None and at < standing[1].ends + OVERDUE


def require_no_canary(entries: Sequence[Entry], task: str, *, own: int | None = None) -> None:
    """Raise `RefusedError` while a canary is in force: what it has not let through nobody promotes.

    Args:
        entries: All of the ledger.
        task: Family.
        own: Sequence of the row of the canary that promotes what it has tried.
    """
    standing = find_standing_canary(entries, task)
    if standing is None or standing[0].sequence == own:
        return
    raise RefusedError(
        describe_canary(task, standing[1]), rule=_ALONE, remedy=f"wait, or voxloop canary {task} --abort"
    )


def describe_canary(task: str, plan: CanaryPlan) -> str:
    """Return that a canary goes on, in words."""
    return f"{task}: a canary of version {plan.version} goes on until {plan.until[:16]}"


def find_futile_canary(entries: Sequence[Entry], task: str, version: int, *, since: int) -> Entry | None:
    """Return the row of a canary that came to nothing: no longer in force, and its version's promotion never begun.

    Args:
        entries: All of the ledger.
        task: Family.
        version: Number of the version tried.
        since: Sequence after which it was begun, of the approval that is asked about.
    """
    rows = list_route_rows(entries, task)
    taken = {entry.content.get("after") for entry in entries if entry.kind == PROMOTION and entry.task == task}
    for row in rows[:-1]:
        if row.sequence <= since or row.sequence in taken:
            continue
        if (plan := read_plan(row)) is not None and plan.version == version:
            return row
    return None


_ALONE = "a canary decides by what it sees whether its version takes over, and nothing else of the family meanwhile"
