"""Whether a family is frozen, asked by a DAG before it does what a freeze forbids."""

from __future__ import annotations


def describe_freeze(task: str) -> str:
    """Return the freeze a family is under, in words; empty when it is under none.

    Raises:
        AirflowException: The ledger does not answer: Airflow tries again.
        AirflowFailException: The ledger is not whole, which no further try mends.
    """
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    from voxloop.errors import VoxloopError
    from voxloop.ledger.book import open_ledger
    from voxloop.release.freezes import find_freeze
    from voxloop.settings import get_settings, now

    try:
        return str(find_freeze(open_ledger(get_settings()).read(), task, now()) or "")
    except VoxloopError as problem:
        raise (AirflowException if problem.transient else AirflowFailException)(str(problem)) from None
