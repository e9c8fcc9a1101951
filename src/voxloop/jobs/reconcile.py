"""Compare ledger, registry and Triton; mend what can be mended, and report the rest."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voxloop.release.reconciliation import Outcome


def reconcile(*, task: str | None = None, dry_run: bool = False, take_over: bool = False) -> int:
    """Make MLflow and Triton follow the ledger.

    The route row of the ledger says what is in force. A promotion that was killed is finished after its flip and undone
    before it; a model that Triton has lost is staged and loaded again; an alias moved by hand goes back; models no
    route needs are taken off. What only a person can put right is reported with what to do. Running it again changes
    nothing.

    Args:
        task: One family; all of them by default.
        dry_run: Say what would be mended, and mend nothing.
        take_over: Whoever promotes at another place has ended for good: you know, the ledger cannot.

    Returns:
        The exit code: 0 when all agree in the end, else that of the first thing left; in a dry run 1 for what would be
        mended.

    Raises:
        InputError: There is no such family.
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: MLflow or Triton does not answer.
    """
    from voxloop.jobs.release_platform import hold_platform
    from voxloop.release.reconciliation import reconcile as reconcile_family
    from voxloop.settings import get_settings
    from voxloop.tasks import require_task, task_names

    codes: list[int] = []
    if task is not None:
        require_task(task)
    for family in task_names() if task is None else (task,):
        with (
            hold_platform(get_settings()) as platform,
            tempfile.TemporaryDirectory(prefix="voxloop-reconcile-") as place,
        ):
            found = reconcile_family(platform, family, workplace=Path(place), dry_run=dry_run, take_over=take_over)
            codes += [report(family, outcome) for outcome in found]
    if not codes:
        print("ledger, registry and Triton agree", flush=True)
    return next((code for code in codes if code), 0)


def report(task: str, outcome: Outcome) -> int:
    """Print what became of one finding and return its exit code."""
    if outcome.is_mended:
        print(f"{task}: mended: {outcome.text}", flush=True)
        return 0
    if outcome.problem is None:
        print(f"{task}: would be mended: {outcome.text}", flush=True)
        return 1
    print(f"{task}: left to a person: {outcome.text}: {outcome.problem}", flush=True)
    return outcome.problem.exit_code
