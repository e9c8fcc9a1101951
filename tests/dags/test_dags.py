"""The rules of this team for DAGs, read from the DAGs as Airflow sees them: in a process of its own."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from voxloop.runners.compile import read_arguments
from voxloop.runners.nightly_retraining import CHANGES, NOT_CHANGED, OURS, retraining_arguments
from voxloop.settings import child_environment

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "dags").glob("*.py"))
HEAVY = ("torch", "pandas", "kfp", "mlflow", "numpy", "lightning", "onnxruntime", "great_expectations", "feast")

READ = """
import importlib, json, sys
from pathlib import Path

path = Path(sys.argv[1])
sys.path.insert(0, str(path.parent))
dag = getattr(importlib.import_module(path.stem), path.stem)()
print(json.dumps({
    "heavy": sorted(set(sys.argv[2].split(",")) & set(sys.modules)),
    "dag_id": dag.dag_id,
    "owners": sorted({task.owner for task in dag.tasks}),
    "tags": sorted(dag.tags),
    "doc_md": dag.doc_md,
    "catchup": dag.catchup,
    "paused": dag.is_paused_upon_creation,
    "max_active_runs": dag.max_active_runs,
    "retries": {task.task_id: task.retries for task in dag.tasks},
    "params": {name: param.description or param.schema["description_md"] for name, param in dag.params.items()},
    "start_date": str(dag.start_date),
    "told": sorted({callback.__name__ for task in dag.tasks for callback in task.on_failure_callback or ["nobody"]}),
}))
"""


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each file declares; Airflow writes its default configuration somewhere: not into the user's home."""
    environment = child_environment({"AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow"))})
    return {
        path.stem: json.loads(
            subprocess.run(
                [sys.executable, "-c", READ, str(path), ",".join(HEAVY)],
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            ).stdout.splitlines()[-1]
        )
        for path in FILES
    }


@pytest.mark.parametrize("name", [path.stem for path in FILES])
def test_a_dag_obeys_the_rules(dags: dict[str, dict[str, Any]], name: str) -> None:
    dag = dags[name]
    assert dag["dag_id"] == name
    assert dag["owners"] == ["speech-models"]  # nobody's default `airflow`
    assert dag["tags"]
    assert "### Triage notes" in dag["doc_md"]
    assert (dag["catchup"], dag["paused"], dag["max_active_runs"]) == (False, False, 1)
    assert all(count >= 1 for count in dag["retries"].values())
    assert dag["told"] == ["tell_on_call"]
    # With a start date Airflow makes up at once for the last start that was missed.
    assert dag["start_date"] == "None"


@pytest.mark.parametrize("name", [path.stem for path in FILES])
def test_a_dag_file_loads_nothing_heavy(dags: dict[str, dict[str, Any]], name: str) -> None:
    assert dags[name]["heavy"] == []


def test_what_a_nightly_run_may_change_are_the_arguments_of_the_pipeline(dags: dict[str, dict[str, Any]]) -> None:
    """Whoever starts one by hand reads them, and an example that is right, beside the field."""
    from pipelines.training import training

    arguments = set(inspect.signature(training.pipeline_func).parameters)
    params = dags["nightly_retraining"]["params"]
    assert set(params) == {"task", *OURS}
    listed = re.findall(r"^\* `(\w+)`: ", params[CHANGES], re.MULTILINE)
    assert set(listed) == arguments - set(NOT_CHANGED)
    (example,) = re.findall(r"^\{.*\}$", params[CHANGES], re.MULTILINE)
    told = retraining_arguments({"arguments": "local", CHANGES: json.loads(example)}, "by hand")
    changed = tuple(told[place + 1] for place, word in enumerate(told) if word == "--set")
    assert read_arguments("training", "local", changed)["config"] == "small"
