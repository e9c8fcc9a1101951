"""The kill switch: one route row that answers nobody, or everybody again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from voxloop.errors import RefusedError
from voxloop.ledger.acts import require_reason
from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import Draft, Entry
from voxloop.release.canary_plan import read_plan
from voxloop.release.routes import draft_route, find_route_row, route_of
from voxloop.store.digests import digest_json

_ACT = "route/switch/"


def switch_route(ledger: Ledger, task: str, *, is_on: bool, because: str, at: datetime) -> tuple[Entry, bool]:
    """Switch a family off or on again; a canary is over with it, and the champion has all requests.

    Args:
        ledger: The book.
        task: Family.
        is_on: Whether anybody is to be answered.
        because: Why.
        at: Aware.

    Returns:
        The route row in force, and whether it was written now.

    Raises:
        InputError: There is no reason.
        RefusedError: There is no route, or none that could be switched on.
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: It does not answer.
    """
    reason = require_reason(because)

    def decide(entries: list[Entry]) -> Draft | Entry:
        row = find_route_row(entries, task)
        if row is None or not route_of(row).models:
            raise RefusedError(
                f"{task} has no model to answer", rule="a route is switched off and on", remedy="`voxloop deploy`"
            )
        if route_of(row).is_on == is_on:
            return row
        plan = read_plan(row)
        standing = next(entry for entry in entries if entry.sequence == plan.after) if plan else row
        act = f"{_ACT}{task}/{row.sequence}/{digest_json([is_on, reason])[:16]}"
        return draft_route(replace(route_of(standing), is_on=is_on), act=act, at=at, because=reason)

    before = len(ledger.read())
    entry = ledger.append_decided(decide)
    return entry, entry.sequence > before
