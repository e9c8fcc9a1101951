"""A bare GPU box: the `train` extra alone ingests the speaker world, trains, resumes and exports every family."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from voxloop.settings import child_environment
from voxloop.tasks import task_names


@pytest.mark.slow
def test_the_train_extra_alone_trains_resumes_and_exports_all_families(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.contracts.only_train_extra", str(tmp_path)],
        env=child_environment({"VOXLOOP_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert {"mlflow", "airflow", "kfp", "feast", "librosa", "sklearn", "optuna"} <= set(told["hidden"])
    assert sorted(told["families"]) == task_names()
    for family in told["families"].values():
        assert family["stops"] == 1
        assert {"model.onnx", "model.json"} <= set(family["exported"])
