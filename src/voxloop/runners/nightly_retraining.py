"""What the DAG `nightly_retraining` does: one retraining for the night, and its outcome in words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voxloop.monitoring.retraining import ASKED, DRIFT, NIGHT
from voxloop.runners.command import run_command
from voxloop.runners.result import RunResult
from voxloop.settings import get_settings

OURS = ("arguments", "reason")
"""Parameters of the DAG that are no arguments of the pipeline."""
SCHEDULED = ("scheduled", "backfill")
"""How Airflow begins the ids of the runs that stand for a night."""


def run_training(params: Mapping[str, object], run_id: str) -> dict[str, object]:
    """Train for the night, or for who asked, in a process of its own, and return the outcome.

    Args:
        params: `arguments`, the file of the pipeline's arguments, and any argument that is to differ from it.
        run_id: Name of the scheduler's run: the reason. Tried again under it, the same retraining is gone on with.

    Returns:
        `retrain_id`, `folder`, `task` (the family), `verdict`, `data_verdict`, `data_verdicts` (of each check),
        `version`, `model_digest`, `run_id` (of MLflow) and `tasks`.

    Raises:
        AirflowSkipException: There is nothing new to learn since the last night; it says since which.
        AirflowException: The run may succeed another time.
        AirflowFailException: It cannot.
    """
    told = json.loads(run_command(retraining_arguments(params, run_id)))
    if "nothing_new" in told:
        from airflow.sdk.exceptions import AirflowSkipException

        raise AirflowSkipException(told["nothing_new"])
    folder = Path(told["folder"])
    result = RunResult.read(folder)
    keys = ("verdict", "data_verdict", "data_verdicts", "version", "model_digest", "run_id", "tasks")
    task = str(result.arguments.get("task", ""))
    return {**told, "task": task, **{key: getattr(result, key) for key in keys}}


def training_arguments(params: Mapping[str, object], folder: Path) -> list[str]:
    """Return the command line of a run without a reason; of `params` as in `retraining_arguments`."""
    return ["run", "training", "--out", str(folder), *_configured(params)]


def retraining_arguments(params: Mapping[str, object], run_id: str) -> list[str]:
    """Return the command line of a retraining: a parameter that is null is left to the file of arguments.

    A run by the schedule, and one that makes up for it, are of the same night: they are one reason. `drift_watch` names
    its runs by the episode. Any other run was asked for, and is a reason of its own.
    """
    how, _, episode = run_id.partition("__")
    kind = {"drift": DRIFT, **dict.fromkeys(SCHEDULED, NIGHT)}.get(how, ASKED) if episode else ASKED
    because = ["--because", str(params["reason"])] if params.get("reason") else []
    asked = ["--episode", run_id if kind == ASKED else episode, *because]
    return ["retrain", "--kind", kind, *asked, *_configured(params)]


def _configured(params: Mapping[str, object]) -> list[str]:
    changed = {key: value for key, value in params.items() if key not in OURS and value is not None}
    # JSON is YAML: text that looks like a number or a list stays text.
    sets = [part for key, value in changed.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    return ["--config", str(params["arguments"]), *sets]


def run_folder(run_id: str) -> Path:
    """Return the folder of a scheduler's run; ids hold colons and plus signs, folders do not."""
    return get_settings().home.absolute() / "runs" / re.sub(r"[^A-Za-z0-9_.-]", "-", run_id)


def describe_outcome(outcome: Mapping[str, Any], freeze: str = "") -> str:
    """Return the outcome of a run in one line for the person who looks at it in the morning.

    Args:
        outcome: By `run_training`.
        freeze: In words, if the family is under one: what passed waits for its end too.
    """
    if outcome["version"] is not None:
        place = f"{get_settings().mlflow_url}/#/models/{outcome['task']}/versions/{outcome['version']}"
        waits = f"version {outcome['version']} passed the gate and waits for an approver: {place}"
        return f"{waits}; not deployed before the end of the freeze: {freeze}" if freeze else waits
    judged = {"the gate": outcome["verdict"]} if outcome["verdict"] else dict(outcome["data_verdicts"])
    objections = [f"{who} says {said}" for who, said in judged.items() if said != "PASS"]
    return f"no challenger: {', '.join(objections) or 'nothing was judged'}; the reasons are under {outcome['folder']}"
