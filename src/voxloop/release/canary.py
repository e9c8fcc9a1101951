"""A canary's rows: a share of the callers, or none (a shadow), for a candidate, and back, each by compare-and-set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import datetime

from voxloop.errors import RefusedError
from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import Draft, Entry
from voxloop.release.approvals import find_given
from voxloop.release.canary_plan import (
    OVERDUE,
    PLAN,
    CanaryPlan,
    describe_canary,
    find_futile_canary,
    find_standing_canary,
    read_plan,
)
from voxloop.release.claims import find_open
from voxloop.release.finding import Finding
from voxloop.release.freezes import require_thawed
from voxloop.release.pending import draft_withdrawal, list_pending, withdraw_approval
from voxloop.release.routes import Route, draft_route, find_route_row, route_of
from voxloop.release.systems import Platform
from voxloop.store.digests import digest_json

_ACT = "route/canary/"


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
            raise _refuse(describe_canary(task, standing))
        if claim := find_open(entries, task):
            raise _refuse(f"{task}: {claim} goes on")
        require_thawed(entries, task, at)
        before = route_of(row) if row else None
        if row is None or before is None or before.sole_model != plan.champion or not before.is_on:
            raise _refuse(f"{task}: its route is off, or another than the candidate was compared with")
        return _draft(task, before, replace(plan, after=row.sequence), at)

    return ledger.append_decided(decide)


def end_canary(ledger: Ledger, row: Entry, *, because: str, at: datetime) -> Entry | None:
    """Put the route before a canary in force again; None when another was written since, which then stays.

    The approval of what was tried is void first: killed in between, nobody promotes it, and `reconcile` goes on here.

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
    withdraw(ledger, row, because=because, at=at)

    def decide(entries: list[Entry]) -> Draft | Entry:
        standing = find_route_row(entries, row.task)
        if standing is None or standing.sequence != row.sequence:
            return standing or row
        before = next(entry for entry in entries if entry.sequence == plan.after)
        return draft_route(route_of(before), act=act, at=at, because=because)

    entry = ledger.append_decided(decide)
    return entry if entry.act == act else None


def withdraw(ledger: Ledger, row: Entry, *, because: str, at: datetime) -> None:
    """Void the approval of the version that a canary in force tries, if it stands.

    Raises:
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: It does not answer.
    """

    def decide(entries: list[Entry]) -> Draft | Entry:
        standing = find_standing_canary(entries, row.task)
        if standing is None or standing[0].sequence != row.sequence:
            return row
        approval = find_given(entries, row.task, standing[1].version)
        return row if approval is None else draft_withdrawal(approval, because, at)

    ledger.append_decided(decide)


def find_overdue(platform: Platform, task: str) -> Iterator[Finding]:
    """Yield a canary in force that is to end: nobody has ended it in time, or what it tries is approved no more."""
    entries = platform.ledger.read()
    standing = find_standing_canary(entries, task)
    if standing is None:
        return
    row, plan = standing
    if platform.clock() >= plan.ends + OVERDUE:
        text = f"the canary of {task} version {plan.version} was over at {plan.until[:16]}, and nobody has ended it"
        because = "canary aborted: nobody has ended it in time"
    elif find_given(entries, task, plan.version) is None:
        text = f"the canary of {task} version {plan.version} goes on, and its approval stands no more"
        because = "canary aborted: its approval stands no more"
    else:
        return
    yield Finding(text, lambda: end_canary(platform.ledger, row, because=because, at=platform.clock()))


def find_futile(platform: Platform, task: str) -> Iterator[Finding]:
    """Yield an approval whose version was tried for nothing: a rollback or the kill switch has ended its canary."""
    entries = platform.ledger.read()
    for approval in list_pending(entries):
        number = int(approval.content["version"])
        row = find_futile_canary(entries, task, number, since=approval.sequence) if approval.task == task else None
        if row is not None:
            because = f"its canary, ledger entry {row.sequence}, ended without a promotion"
            text = f"the approval of {task} version {number} is void: {because}"
            yield Finding(
                text,
                lambda approval=approval, because=because: withdraw_approval(  # type: ignore[misc]
                    platform.ledger, approval, because=because, at=platform.clock()
                ),
            )


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
    return replace(draft, payload={**draft.payload, PLAN: kept})


def _refuse(problem: str) -> RefusedError:
    return RefusedError(
        problem,
        rule="a canary starts from a route that one model answers alone, and is alone itself",
        remedy="see voxloop ledger show; wait, or voxloop rollback or canary --abort",
    )
