"""What the DAG `nightly_retraining` does: one retraining for the night, and its outcome in words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from voxloop.errors import InputError
from voxloop.monitoring.retraining import ASKED, DRIFT, NIGHT
from voxloop.runners.command import run_command
from voxloop.runners.result import RunResult
from voxloop.settings import get_settings

CHANGES = "changes"
"""The parameter of the DAG that holds arguments of the pipeline by name: one form field in place of eleven."""
OURS = ("arguments", "reason", CHANGES)
"""Parameters of the DAG that are no arguments of the pipeline."""
NOT_CHANGED = ("task", "retrain_id")
"""Arguments that `changes` may not hold: one is a parameter of its own, the other is given by the retraining."""
SCHEDULED = ("scheduled", "backfill")
"""How Airflow begins the ids of the runs that stand for a night."""


def run_training(
    params: Mapping[str, object], run_id: str, interval_end: datetime | None = None, asked_by: str | None = None
) -> dict[str, object]:
    """Train for the night, or for who asked, in a process of its own, and return the outcome.

    Args:
        params: `arguments`, the file of the pipeline's arguments; `task`, the family; `changes`, whatever argument is
            to differ from the file's, by name; `reason`.
        run_id: Name of the scheduler's run: the reason. Tried again under it, the same retraining is gone on with.
        interval_end: End of the run's data interval: a night learns from what was recorded before it.
        asked_by: Airflow's user who started the run, or the backfill it is of; None of one that nobody started.

    Returns:
        `retrain_id`, `folder`, `task` (the family), `verdict`, `data_verdict`, `data_verdicts` (of each check),
        `version`, `model_digest`, `run_id` (of MLflow) and `tasks`.

    Raises:
        AirflowSkipException: There is nothing new to learn since the last night; it says since which.
        AirflowException: The run may succeed another time.
        AirflowFailException: It cannot; nothing was claimed where a parameter is what is wrong.
    """
    try:
        command = retraining_arguments(params, run_id, interval_end, asked_by)
    except InputError as refused:
        from airflow.sdk.exceptions import AirflowFailException

        raise AirflowFailException(str(refused)) from None
    told = json.loads(run_command(command))
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


def retraining_arguments(
    params: Mapping[str, object], run_id: str, interval_end: datetime | None = None, asked_by: str | None = None
) -> list[str]:
    """Return the command line of a retraining: a parameter that is null is left to the file of arguments.

    A run by the schedule, and one that makes up for it, are of the same night: they are one reason, and learn from the
    same rows, those recorded before the end of their data interval. `drift_watch` names its runs by the episode. Any
    other run was asked for, and is a reason of its own.

    Raises:
        InputError: `changes` holds what cannot be changed there.
    """
    how, _, episode = run_id.partition("__")
    kind = {"drift": DRIFT, **dict.fromkeys(SCHEDULED, NIGHT)}.get(how, ASKED) if episode else ASKED
    because = ["--because", str(params["reason"])] if params.get("reason") else []
    whom = [f"--asked-by={asked_by}"] if asked_by else []
    asked = ["--episode", run_id if kind == ASKED else episode, *because, *whom]
    bound = {"recorded_before": interval_end.isoformat()} if kind == NIGHT and interval_end is not None else {}
    return ["retrain", "--kind", kind, *asked, *_configured({**bound, **params})]


def _configured(params: Mapping[str, object]) -> list[str]:
    changes = params.get(CHANGES) or {}
    if not isinstance(changes, Mapping):
        raise InputError(
            f"{CHANGES} = {json.dumps(changes)[:80]}", rule="it is an object", remedy='write {"config": "small"}'
        )
    if twice := sorted(set(changes) & set(NOT_CHANGED)):
        own = "has a field of its own" if twice[0] == "task" else "is given by the retraining"
        raise InputError(f"{CHANGES} holds {twice[0]!r}", rule=f"{twice[0]} {own}", remedy=f"leave it out of {CHANGES}")
    told = {key: value for key, value in params.items() if key not in OURS} | dict(changes)
    changed = {key: value for key, value in told.items() if value is not None}
    for key in changed:
        _refuse_foreign(key)
    # JSON is YAML: text that looks like a number or a list stays text.
    sets = [part for key, value in changed.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    return ["--config", str(params["arguments"]), *sets]


def _refuse_foreign(key: str) -> None:
    """Refuse what cannot be the name of an argument.

    A name that no argument has is refused by `voxloop retrain`, before it claims anything. But a dotted one may be a
    setting of the machine to it (`settings.home`), which no run changes.
    """
    if not re.fullmatch(r"[a-z_]+", key):
        raise InputError(
            f"a change of {key[:80]!r}",
            rule="what a run changes are arguments of the pipeline `training`",
            remedy=f"the description of {CHANGES} lists them",
        )


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
