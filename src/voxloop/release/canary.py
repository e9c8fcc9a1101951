"""A canary's rows: a share of the callers, or none (a shadow), for a candidate, and back, each by compare-and-set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from voxloop.errors import IntegrityError, RefusedError
from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import Draft, Entry
from voxloop.release.claims import find_open
from voxloop.release.finding import Finding
from voxloop.release.freezes import require_thawed
from voxloop.release.routes import Route, draft_route, find_route_row, route_of
from voxloop.release.systems import Platform
from voxloop.store.digests import digest_json

_ACT = "route/canary/"
_PLAN = "canary"
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
    if row is None or _PLAN not in row.content:
        return None
    try:
        kept: Mapping[str, object] = row.content[_PLAN]
        return CanaryPlan(**{**kept, "rules": tuple(kept["rules"])})  # type: ignore[arg-type]
    except (TypeError, KeyError) as unreadable:
        raise IntegrityError(
            f"ledger entry {row.sequence} holds no plan of a canary ({unreadable})",
            rule="what is served must be known",
            remedy="use the version of voxloop that wrote it",
        ) from None


def start_canary(ledger: Ledger, task: str, plan: CanaryPlan, *, at: datetime) -> Entry:
    """Give a share of the callers to a candidate, or go on with the canary that does so already.

    Args:
        ledger: The book.
        task: Family.
        plan: What is asked for; `after` is looked up.
        at: Aware.

    Returns:
        The canary's route row.

    Raises:
        RefusedError: Another canary or a promotion goes on, the champion is another than the plan's, the route is off,
            or the family is frozen.
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: It does not answer.
    """

    def decide(entries: list[Entry]) -> Draft | Entry:
        row = find_route_row(entries, task)
        standing = read_plan(row)
        if row is not None and standing is not None:
            if standing.is_same(plan):
                return row
            raise _refuse(task, f"a canary of version {standing.version} goes on until {standing.until[:16]}")
        if claim := find_open(entries, task):
            raise _refuse(task, f"{claim} goes on")
        require_thawed(entries, task, at)
        before = route_of(row) if row else None
        if row is None or before is None or before.sole_model != plan.champion or not before.is_on:
            raise _refuse(task, "its route is off, or another than the candidate was compared with")
        return _draft(task, before, replace(plan, after=row.sequence), at)

    return ledger.append_decided(decide)


def end_canary(ledger: Ledger, row: Entry, *, because: str, at: datetime) -> Entry | None:
    """Put the route before a canary in force again; None when another was written since, which then stays.

    Args:
        ledger: The book.
        row: The canary's route row.
        because: Why.
        at: Aware.

    Raises:
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: It does not answer.
    """
    plan, act = read_plan(row), f"{row.act}/back"
    if plan is None:
        return None

    def decide(entries: list[Entry]) -> Draft | Entry:
        standing = find_route_row(entries, row.task)
        if standing is None or standing.sequence != row.sequence:
            return standing or row
        before = next(entry for entry in entries if entry.sequence == plan.after)
        return draft_route(route_of(before), act=act, at=at, because=because)

    entry = ledger.append_decided(decide)
    return entry if entry.act == act else None


def find_overdue(platform: Platform, task: str) -> Iterator[Finding]:
    """Yield a canary that nobody has ended in time: its process is gone, and the route before it comes back."""
    row = find_route_row(platform.ledger.read(), task)
    plan = read_plan(row)
    if row is None or plan is None or platform.clock() < plan.ends + OVERDUE:
        return
    text = f"the canary of {task} version {plan.version} was over at {plan.until[:16]}, and nobody has ended it"
    because = "nobody has ended it in time"
    yield Finding(text, lambda: end_canary(platform.ledger, row, because=because, at=platform.clock()))


def _draft(task: str, before: Route, plan: CanaryPlan, at: datetime) -> Draft:
    weights = {plan.champion: 1.0 - plan.share, plan.candidate: plan.share} if plan.share else before.weights
    shadow = before.shadow if plan.share else plan.candidate
    route = Route(task, weights, None if shadow in weights else shadow, True, before.salt, before.fallback)
    kept = asdict(plan) | {"rules": list(plan.rules)}
    # The moment it ends makes it this canary's alone: the same one may be tried again.
    act = f"{_ACT}{task}/{plan.after}/{digest_json(kept)[:16]}"
    asked = f"{100 * plan.share:g} % of the callers" if plan.share else "a shadow"
    because = f"canary of version {plan.version}: {asked} until {plan.until[:16]}, aborted if {', '.join(plan.rules)}"
    draft = draft_route(route, act=act, at=at, because=because)
    return replace(draft, payload={**draft.payload, _PLAN: kept})


def _refuse(task: str, problem: str) -> RefusedError:
    return RefusedError(
        f"{task}: {problem}",
        rule="a canary starts from a route that one model answers alone, and is alone itself",
        remedy=f"see voxloop ledger show {task}; wait, or voxloop rollback or canary --abort",
    )
