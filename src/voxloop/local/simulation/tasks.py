"""What the DAGs' tasks run, without a scheduler: the runners' own functions, one after the other, and how each ended.

    python -m voxloop.local.simulation.tasks watch,decide,retrain emotion
    python -m voxloop.local.simulation.tasks train emotion RUN_ID '{"arguments": "local", …}'

The last line is JSON: of each task `said` (what it handed on), `skipped` (why), `trigger` (a run that is to be started,
with its name and parameters) or `failed` (why, and whether another try can help). After one that did not say anything
those behind it are not run, as in the DAG. One process for all: importing Airflow takes four seconds of the processor.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from voxloop.runners.drift_watch import ask_for_retraining, decide_on_drift, watch_drift
from voxloop.runners.nightly_retraining import run_training
from voxloop.runners.waiting_approvals import deploy_waiting


def train(_task: str, run_id: str, params: str) -> dict[str, object]:
    """Do what `run_training` of the DAG `nightly_retraining` does."""
    return run_training(json.loads(params), run_id)


TASKS: Mapping[str, Callable[..., object]] = {
    "watch": watch_drift,
    "decide": decide_on_drift,
    "retrain": ask_for_retraining,
    "train": train,
    "deploy": deploy_waiting,
}
"""By the name of the task in its DAG; the first argument is the family."""


def run_tasks(names: str, *arguments: str) -> dict[str, dict[str, Any]]:
    """Run tasks as their DAG does, and return how each ended.

    Args:
        names: With commas between them.
        arguments: Of each: the family, and what else the task takes.
    """
    ended: dict[str, dict[str, Any]] = {}
    for name in names.split(","):
        ended[name] = run_task(name, *arguments)
        if "said" not in ended[name]:
            break
    return ended


def run_task(name: str, *arguments: str) -> dict[str, Any]:
    """Run a task as its DAG does, and return how it ended."""
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowSkipException,
        DagRunTriggerException,
    )

    try:
        return {"said": TASKS[name](*arguments)}
    except AirflowSkipException as skipped:
        return {"skipped": str(skipped)}
    except DagRunTriggerException as asked:
        return {"trigger": {"dag": asked.trigger_dag_id, "run_id": asked.dag_run_id, "params": asked.conf}}
    except AirflowFailException as failed:
        return {"failed": str(failed), "again": False}
    except AirflowException as failed:
        return {"failed": str(failed), "again": True}


if __name__ == "__main__":
    print(json.dumps(run_tasks(*sys.argv[1:])), flush=True)
