"""How a DAG's tasks watch a family for drift and ask for a retraining: once an episode, by a run of the nightly DAG."""

from __future__ import annotations

import json
from datetime import UTC, datetime

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

    The newest evaluation set cut since the day on which the episode began (UTC) is taken for the speech that gave the
    reason: there the challenger must be better, on all others no worse.

    Args:
        task: Family.

    Raises:
        DagRunTriggerException: To Airflow: start that run, unless it is there.
        AirflowSkipException: The decision is another; it says why.
        IntegrityError: An evaluation set was changed or is gone.
    """
    from airflow.sdk.exceptions import AirflowSkipException, DagRunTriggerException

    from voxloop.data.evaluation_sets import find_cut_since
    from voxloop.monitoring.decision import Word
    from voxloop.settings import get_settings

    settings = get_settings()
    path = settings.drift / task / "decision.json"
    decision = json.loads(path.read_text(encoding="utf-8"))
    because = f"drift since {decision['episode']}: {'; '.join(decision['reasons'])}"
    if decision["word"] != Word.RETRAIN:
        raise AirflowSkipException(f"{task}: {decision['word']}: {'; '.join(decision['reasons'])}")
    began = datetime.fromisoformat(decision["episode"]).astimezone(UTC).date()
    cut = find_cut_since(settings.evaluation_sets, task, began)
    changes = {} if cut is None else {"changes": {"reason_set": cut.name}}
    print(f"{task}: {because}; to be better on: {'no set cut since' if cut is None else cut.name}", flush=True)
    raise DagRunTriggerException(
        trigger_dag_id="nightly_retraining",
        dag_run_id=f"drift__{task}__{decision['episode']}",
        conf={"task": task, "reason": because, "arguments": decision["arguments"], **changes},
        reset_dag_run=False,
        skip_when_already_exists=True,
        wait_for_completion=False,
        allowed_states=["success"],
        failed_states=["failed"],
        poke_interval=60,
        deferrable=False,
    )
