"""How a DAG's task serves all that is approved of a family: `voxloop deploy`, again until none is left."""

from __future__ import annotations

from voxloop.runners.command import run_command
from voxloop.runners.freezes import describe_freeze
from voxloop.tasks import FAMILIES as FAMILIES  # noqa: PLC0414 - a DAG imports runners alone


def deploy_waiting(task: str) -> str:
    """Deploy what is approved of a family until nothing more comes of it.

    Asked at least once, whatever the ledger says: an approval may be written by `deploy` itself, and what is in force
    is to be served.

    Args:
        task: Family.

    Returns:
        The last line that the last `deploy` printed.

    Raises:
        AirflowSkipException: The family is frozen.
        AirflowException: As `run_command`.
        AirflowFailException: As `run_command`.
    """
    from airflow.sdk.exceptions import AirflowSkipException

    before: frozenset[int] | None = None
    while True:
        if freeze := describe_freeze(task):
            raise AirflowSkipException(freeze)
        said = run_command(["deploy", "--task", task])
        waiting = list_waiting_of(task)
        if not waiting or waiting == before:  # what is passed over again and again waits for a person
            return said
        before = waiting


def list_waiting_of(task: str) -> frozenset[int]:
    """Return the ledger sequences of a family's approvals that wait.

    Raises:
        AirflowException: The ledger does not answer: Airflow tries again.
        AirflowFailException: The ledger is not whole, or configs/release.yaml is not acceptable, which no further try
            mends.
    """
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    from voxloop.errors import VoxloopError
    from voxloop.ledger.book import open_ledger
    from voxloop.release.pending import list_waiting
    from voxloop.release.policy import load_release_policy
    from voxloop.settings import get_settings, now

    try:
        entries, lasts = open_ledger(get_settings()).read(), load_release_policy().lasts
    except VoxloopError as problem:
        raise (AirflowException if problem.transient else AirflowFailException)(str(problem)) from None
    return frozenset(entry.sequence for entry in list_waiting(entries, now(), lasts) if entry.task == task)
