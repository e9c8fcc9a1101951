"""What the DAG `nightly_retraining` does: one run of the pipeline `training`, and its outcome in words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voxloop.runners.command import run_command
from voxloop.runners.result import RunResult
from voxloop.settings import get_settings


def run_training(params: Mapping[str, object], run_id: str) -> dict[str, object]:
    """Run the pipeline in a process of its own and return its outcome.

    Args:
        params: `arguments`, the file of the pipeline's arguments, and any argument that is to differ from it.
        run_id: Name of the scheduler's run; a second attempt under it uses the same folder.

    Returns:
        `folder`, `task` (the family), `verdict`, `data_verdict`, `data_verdicts` (of each check), `version`,
        `model_digest`, `run_id` (of MLflow) and `tasks`.

    Raises:
        AirflowException: The run may succeed another time.
        AirflowFailException: It cannot.
    """
    folder = run_folder(run_id)
    run_command(training_arguments(params, folder))
    result = RunResult.read(folder)
    keys = ("verdict", "data_verdict", "data_verdicts", "version", "model_digest", "run_id", "tasks")
    task = str(result.arguments.get("task", ""))
    return {"folder": str(folder), "task": task, **{key: getattr(result, key) for key in keys}}


def training_arguments(params: Mapping[str, object], folder: Path) -> list[str]:
    """Return the command line of a run: a parameter that is null is left to the file of arguments."""
    changed = {key: value for key, value in params.items() if key != "arguments" and value is not None}
    # JSON is YAML: text that looks like a number or a list stays text.
    sets = [part for key, value in changed.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    return ["run", "training", "--config", str(params["arguments"]), "--out", str(folder), *sets]


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
        waits = f"version {outcome['version']} passed the gate and waits for approval in MLflow"
        return f"{waits}; not deployed before the end of the freeze: {freeze}" if freeze else waits
    judged = {"the gate": outcome["verdict"]} if outcome["verdict"] else dict(outcome["data_verdicts"])
    objections = [f"{who} says {said}" for who, said in judged.items() if said != "PASS"]
    return f"no challenger: {', '.join(objections) or 'nothing was judged'}; the reasons are under {outcome['folder']}"
