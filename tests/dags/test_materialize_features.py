"""What the DAG materialize_features runs: one command line, whatever the parameters."""

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
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, sys.argv[1])
import materialize_features as file

dag = file.materialize_features()
(publish,) = dag.tasks
with (
    patch.object(file, "run_command", side_effect=lambda arguments: print(json.dumps(arguments)) or "done"),
    patch.object(file, "get_current_context", return_value={"params": json.loads(sys.argv[2])}),
):
    assert publish.python_callable() == "done"
"""


@pytest.mark.parametrize(
    ("params", "command"),
    [
        ({"features": None, "at": None}, ["features-publish", "--online"]),
        (
            {"features": "data/features", "at": "2026-02-01T00:00:00Z"},
            ["features-publish", "data/features", "--online", "--at", "2026-02-01T00:00:00Z"],
        ),
    ],
)
def test_the_task_is_one_command(tmp_path: Path, params: dict[str, str | None], command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(ROOT / "dags"), json.dumps(params)],
        env=child_environment({"AIRFLOW_HOME": str(tmp_path)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == command
