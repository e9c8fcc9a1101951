"""Rolling back: one route row that gives all requests to the fallback, which is loaded already."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from voxloop.errors import RefusedError, ServiceUnavailableError
from voxloop.ledger.acts import require_reason
from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import ROLLBACK, Draft, Entry
from voxloop.release.champion import read_champion
from voxloop.release.routes import Route, draft_route, find_route_row, route_of
from voxloop.store.digests import digest_json

_ACT = "route/rollback/"


def roll_back(
    ledger: Ledger, task: str, *, is_served: Callable[[str], bool], because: str, at: datetime
) -> tuple[Entry, bool]:
    """Give all requests to the fallback; there is no fallback afterwards, until the next promotion.

    Asked again for the same reason it changes nothing: a rollback that was killed is finished, not done twice.

    Args:
        ledger: The book.
        task: Family.
        is_served: Whether the server serves a model, by its digest.
        because: Why.
        at: Aware.

    Returns:
        The route row, and whether it was written now.

    Raises:
        InputError: There is no reason.
        RefusedError: Nothing is in service, or there is no fallback.
        ServiceUnavailableError: The fallback is not served, or the ledger does not answer.
        IntegrityError: The ledger is not whole.
    """
    reason = require_reason(because)
    drafted: list[Draft] = []

    def decide(entries: list[Entry]) -> Draft | Entry:
        row = find_route_row(entries, task)
        if row is None:
            raise RefusedError(
                f"{task} has no champion", rule="a rollback goes back from one", remedy="see voxloop ledger show"
            )
        if is_rollback(row) and row.content["because"] == reason:
            return row
        drafted.append(_draft_rollback(row, is_served, reason, at))
        return drafted[-1]

    entry = ledger.append_decided(decide)  # the whole chain is verified, some 30 us an entry
    return entry, any(draft.act == entry.act for draft in drafted)


def record_rollback(ledger: Ledger, row: Entry, *, at: datetime) -> Entry:
    """Write the rollback's own page, after its route row: from which model to which, and why.

    Raises:
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: It does not answer.
    """
    target = route_of(row).sole_model or ""

    def decide(entries: list[Entry]) -> Draft:
        left = read_champion([entry for entry in entries if entry.sequence < row.sequence], row.task)
        payload = {"route": row.sequence, "from": left, "to": target, "because": row.content["because"]}
        act = f"{ROLLBACK}/{row.task}/{row.sequence}"
        return Draft(kind=ROLLBACK, task=row.task, subject=target, act=act, payload=payload, at=at)

    return ledger.append_decided(decide)


def is_rollback(row: Entry) -> bool:
    """Return whether a route row is a rollback's."""
    return row.act.startswith(_ACT)


def _draft_rollback(row: Entry, is_served: Callable[[str], bool], because: str, at: datetime) -> Draft:
    route = route_of(row)
    if route.fallback is None:
        raise RefusedError(
            f"{row.task} has no fallback: {_explain(row)}",
            rule="a rollback goes to the model that is kept loaded",
            remedy="approve another version, or switch the route off",
        )
    if not is_served(route.fallback):
        raise ServiceUnavailableError(
            f"the fallback {route.fallback[:12]} of {row.task} is not served",
            rule="a rollback goes to a model that answers",
            remedy=f"voxloop reconcile --task {row.task} loads it again; then the same command",
        )
    back = Route(row.task, {route.fallback: 1.0}, None, route.is_on, route.salt, None)
    # The reason makes the act this one's alone: of two at once, one is written, and the other decides again.
    act = f"{_ACT}{row.task}/{row.sequence}/{digest_json(because)[:16]}"
    return draft_route(back, act=act, at=at, because=because)


def _explain(row: Entry) -> str:
    if is_rollback(row):
        return f"it was rolled back on {row.at[:19]} already ({row.content['because']})"
    return "nothing was in service before"
