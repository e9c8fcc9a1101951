"""Keep anything new out of service until a day, and end that before its day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxloop.jobs.moments import read_moment

if TYPE_CHECKING:
    from voxloop.ledger.book import Ledger


def freeze(task: str, *, until: str, because: str) -> None:
    """Let nothing new of a family into service before a moment. A rollback is allowed.

    `voxloop deploy` refuses meanwhile (exit 3), the DAG deploy_approved is skipped; nightly_retraining trains and
    judges as ever and says that its challenger has to wait. Freezing again replaces the moment.

    Args:
        task: Family of the model.
        until: The day it ends, at 00:00 UTC, or a moment in ISO 8601.
        because: Why; the ledger keeps it for good.

    Raises:
        InputError: There is no such family, no such moment, it is over, or there is no reason.
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: The ledger does not answer.
    """
    from voxloop.release.freezes import freeze_family
    from voxloop.settings import now

    moment = read_moment("--until", until)
    frozen = freeze_family(_open(task), task, until=moment, because=because, at=now())
    print(f"{frozen}; voxloop unfreeze {task} --because '…' ends it before", flush=True)


def unfreeze(task: str, *, because: str) -> None:
    """End the freeze of a family before its day.

    Args:
        task: Family of the model.
        because: Why; the ledger keeps it for good.

    Raises:
        InputError: There is no such family, or no reason.
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: The ledger does not answer.
    """
    from voxloop.release.freezes import unfreeze_family
    from voxloop.settings import now

    ended = unfreeze_family(_open(task), task, because=because, at=now())
    print(f"{task} is no longer frozen" if ended else f"{task} was not frozen", flush=True)


def _open(task: str) -> Ledger:
    from voxloop.ledger.book import open_ledger
    from voxloop.settings import get_settings
    from voxloop.tasks import require_task

    require_task(task)
    return open_ledger(get_settings())
