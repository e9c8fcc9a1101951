"""What the DAG gate_selftest runs: one command line, with a seed of its own every night."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from voxloop.settings import child_environment

ROOT = Path(__file__).resolve().parents[2]

RUN = """
import json, sys
from datetime import datetime, timezone
from types import SimpleNamespace
from unittest.mock import patch

sys.path.insert(0, sys.argv[1])
import gate_selftest as file

dag = file.gate_selftest()
(prove,) = dag.tasks
night = SimpleNamespace(run_after=datetime(2026, 2, 3, 0, 30, tzinfo=timezone.utc))
with (
    patch.object(file, "run_command", side_effect=lambda arguments: print(json.dumps(arguments)) or "done"),
    patch.object(file, "get_current_context", return_value={"params": json.loads(sys.argv[2]), "dag_run": night}),
):
    assert prove.python_callable() == "done"
"""


@pytest.mark.parametrize(
    ("params", "command"),
    [
        (
            {"task": None, "seed": None, "through_pipeline": True},
            ["selftest", "--seed", "20260203", "--through-pipeline", "--json"],
        ),
        (
            {"task": "asr", "seed": 0, "through_pipeline": False},
            ["selftest", "--task", "asr", "--seed", "0", "--json"],
        ),
    ],
)
def test_the_task_is_one_command(tmp_path: Path, params: dict[str, object], command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(ROOT / "dags"), json.dumps(params)],
        env=child_environment({"AIRFLOW_HOME": str(tmp_path)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == command
