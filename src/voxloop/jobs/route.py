"""Switch a family off, and on again."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter


def route(
    task: str,
    *,
    on: Annotated[bool | None, Parameter(negative="--off")] = None,
    because: str = "",
) -> None:
    """Answer nobody's requests of a family (`--off`), or everybody's again (`--on`), by one route row of the ledger.

    The gateway takes it up within a second. A canary is over with it: the champion has all requests when it is
    switched on again. Allowed during a freeze. Safe to run twice. Without `--on` or `--off` the route is printed.

    Args:
        task: Family of the model.
        on: Whether anybody is answered.
        because: Why; the ledger keeps it for good.

    Raises:
        InputError: There is no such family, or no reason.
        RefusedError: There is no route.
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: The ledger does not answer.
    """
    from voxloop.errors import RefusedError
    from voxloop.ledger.book import open_ledger
    from voxloop.release.routes import find_route_row, route_of
    from voxloop.release.switch import switch_route
    from voxloop.settings import get_settings, now
    from voxloop.tasks import require_task

    require_task(task)
    ledger = open_ledger(get_settings())
    if on is not None:
        switch_route(ledger, task, is_on=on, because=because, at=now())
    row = find_route_row(ledger.read(), task)
    if row is None:
        raise RefusedError(f"{task} has no route", rule="a promoted model answers", remedy="`voxloop deploy`")
    standing = route_of(row)
    shares = ", ".join(f"{digest[:12]} {100 * weight:g} %" for digest, weight in sorted(standing.weights.items()))
    state = "on" if standing.is_on else "off"
    print(f"{task} is {state}: {shares}; shadow {(standing.shadow or 'none')[:12]}", flush=True)
    print(f"by ledger entry {row.sequence} of {row.at[:19]}: {row.content['because']}", flush=True)
