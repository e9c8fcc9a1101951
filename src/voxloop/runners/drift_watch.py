"""How a DAG's tasks watch a family for drift and ask for a retraining: once an episode, by a run of the nightly DAG."""

from __future__ import annotations

import json

from voxloop.runners.command import run_command
from voxloop.tasks import FAMILIES as FAMILIES  # noqa: PLC0414 - a DAG imports runners alone


def watch_drift(task: str) -> str:
    """Judge the latest windows of a family.

    Args:
        task: Family.

    Returns:
        The last line that `voxloop drift` printed: RETRAIN or WAIT, and why.

    Raises:
        AirflowSkipException: The family has no reference.
        AirflowException: As `run_command`.
        AirflowFailException: As `run_command`.
    """
    from airflow.sdk.exceptions import AirflowSkipException

    from voxloop.settings import get_settings

    if not (get_settings().drift / task / "reference.json").exists():
        raise AirflowSkipException(f"{task} has no reference: voxloop drift {task} --make-reference makes one")
    return run_command(["drift", task])


def ask_for_retraining(task: str) -> None:
    """Start a run of `nightly_retraining` for the episode that the last watch found; the same episode starts one run.

    Args:
        task: Family.

    Raises:
        DagRunTriggerException: To Airflow: start that run, unless it is there.
        AirflowSkipException: No retraining is asked for; it says why.
    """
    from airflow.sdk.exceptions import AirflowSkipException, DagRunTriggerException

    from voxloop.settings import get_settings

    report = json.loads((get_settings().drift / task / "report.json").read_text(encoding="utf-8"))
    decision = report["decision"]
    because = f"drift since {decision['episode']}: {'; '.join(decision['reasons'])}"
    if not decision["is_triggered"]:
        raise AirflowSkipException(f"{task}: {'; '.join(decision['reasons'])}")
    print(f"{task}: {because}", flush=True)
    raise DagRunTriggerException(
        trigger_dag_id="nightly_retraining",
        dag_run_id=f"drift__{task}__{decision['episode']}",
        conf={"task": task, "reason": because},
        reset_dag_run=False,
        skip_when_already_exists=True,
        wait_for_completion=False,
        allowed_states=["success"],
        failed_states=["failed"],
        poke_interval=60,
        deferrable=False,
    )
