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


def decide_on_drift(task: str) -> str:
    """Decide what is done about what the last watch of a family found.

    Args:
        task: Family.

    Returns:
        The last line that `voxloop decide` printed: the word, and every reason.

    Raises:
        AirflowException: As `run_command`.
        AirflowFailException: As `run_command`.
    """
    return run_command(["decide", task])


def ask_for_retraining(task: str) -> None:
    """Start a run of `nightly_retraining` for an episode that was decided to be worth it; an episode starts one run.

    Args:
        task: Family.

    Raises:
        DagRunTriggerException: To Airflow: start that run, unless it is there.
        AirflowSkipException: The decision is another; it says why.
    """
    from airflow.sdk.exceptions import AirflowSkipException, DagRunTriggerException

    from voxloop.monitoring.decision import Word
    from voxloop.settings import get_settings

    path = get_settings().drift / task / "decision.json"
    decision = json.loads(path.read_text(encoding="utf-8"))
    because = f"drift since {decision['episode']}: {'; '.join(decision['reasons'])}"
    if decision["word"] != Word.RETRAIN:
        raise AirflowSkipException(f"{task}: {decision['word']}: {'; '.join(decision['reasons'])}")
    print(f"{task}: {because}", flush=True)
    raise DagRunTriggerException(
        trigger_dag_id="nightly_retraining",
        dag_run_id=f"drift__{task}__{decision['episode']}",
        conf={"task": task, "reason": because, "arguments": decision["arguments"]},
        reset_dag_run=False,
        skip_when_already_exists=True,
        wait_for_completion=False,
        allowed_states=["success"],
        failed_states=["failed"],
        poke_interval=60,
        deferrable=False,
    )
