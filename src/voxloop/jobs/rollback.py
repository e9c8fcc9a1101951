"""Go back to the fallback, at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voxloop.settings import Settings


def rollback(task: str, *, because: str) -> None:
    """Give all requests of a family to its fallback, which is loaded already, by one route row of the ledger.

    The row is the moment; nothing is loaded or moved before it. MLflow's aliases follow after it, and where MLflow does
    not answer, with the next `voxloop reconcile`. The version that was left is not deployed again: its approval is used
    up. There is no fallback then, until another version is promoted. Allowed during a freeze. Safe to run twice.

    Args:
        task: Family of the model.
        because: Why; the ledger keeps it for good.

    Raises:
        InputError: There is no such family, or no reason.
        RefusedError: Nothing is in service, or there is no fallback.
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: Triton or the ledger does not answer, or the fallback is not loaded.
    """
    from voxloop.adapters.triton_ready import is_served
    from voxloop.ledger.book import open_ledger
    from voxloop.release.rollback import record_rollback, roll_back
    from voxloop.release.routes import route_of
    from voxloop.release.versions import serving_name
    from voxloop.settings import get_settings, now
    from voxloop.tasks import require_task

    require_task(task)
    settings = get_settings()
    ledger = open_ledger(settings)
    row, is_new = roll_back(
        ledger,
        task,
        is_served=lambda digest: is_served(settings, serving_name(task, digest), digest),
        because=because,
        at=now(),
    )
    name = serving_name(task, route_of(row).sole_model or "")
    said = "rolled back" if is_new else "was rolled back before"
    print(f"{task} {said}: {name} answers, by ledger entry {row.sequence} of {row.at}", flush=True)
    record_rollback(ledger, row, at=now())
    mirror(settings, task)


def mirror(settings: Settings, task: str) -> None:
    """Let MLflow's aliases follow; what cannot follow now is left to `voxloop reconcile`, for the flip has been."""
    from voxloop.adapters.triton import TritonServer
    from voxloop.errors import VoxloopError
    from voxloop.jobs.release_platform import join_platform
    from voxloop.release.mirror import find_unmirrored
    from voxloop.release.reconciliation import mend

    try:
        with TritonServer(settings) as server:
            outcomes = [
                mend(finding, dry_run=False) for finding in find_unmirrored(join_platform(settings, server), task)
            ]
    except VoxloopError as later:
        print(f"MLflow's aliases follow with `voxloop reconcile --task {task}`: {later}", flush=True)
        return
    for outcome in outcomes:
        print(f"{outcome.text}: {outcome.problem or 'moved'}", flush=True)
