"""`voxloop compare` with runs that a real MLflow server keeps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.comparison.reports import make_report
from voxloop.adapters.mlflow import connect
from voxloop.adapters.mlflow_registry import MlflowRegistry
from voxloop.adapters.mlflow_runs import find_or_create_experiment
from voxloop.cli import run_command
from voxloop.settings import Settings
from voxloop.store.digests import RECORD_NAME, digest_file

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")


def write_training(folder: Path, **changes: object) -> Path:
    folder.mkdir()
    report = folder / "training.json"
    report.write_text(json.dumps(make_report(**changes)), encoding="utf-8")
    record = {"outputs": {report.name: digest_file(report)}, "inputs": {"start": None}, "code": "c0de"}
    (folder / RECORD_NAME).write_text(json.dumps(record), encoding="utf-8")
    return folder


def log_run(settings: Settings, folder: Path | None, name: str) -> str:
    """Keep a training as `voxloop track` does; None logs a run without one."""
    client = connect(settings)
    run = client.create_run(find_or_create_experiment(client, "compared"), run_name=name)
    if folder is not None:
        client.log_artifacts(run.info.run_id, str(folder), "training")
    client.set_terminated(run.info.run_id, "FINISHED")
    return str(run.info.run_id)


def test_runs_and_versions_are_compared_with_folders(
    registry_home: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = write_training(tmp_path / "one")
    two = write_training(tmp_path / "two", dev={"uar": 0.75, "wa": 0.5}, config={"seed": 8})
    run = log_run(registry_home, two, "emotion-abcd")
    registry = MlflowRegistry(registry_home)
    version = registry.create_version("compared", run, {}, "a note")
    registry.set_alias(version, "candidate")
    names = (run, f"runs:/{run}", "models:/compared/1", "models:/compared@candidate")
    assert run_command(["compare", str(one), *names]) == 0
    said = capsys.readouterr().out.splitlines()
    heads = " ".join(line for line in said if line.startswith("    "))
    assert all(label in heads for label in ("one", "compared/1", "emotion-abcd"))
    figures = [word for line in said if line.startswith("uar ") for word in line.split() if word[:1] == "0"]
    assert figures == ["0.6000", *["0.7500"] * 4]
    assert not any("NOT COMPARABLE" in line for line in said)


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("ab" * 16, "no MLflow run"),
        ("EMPTY", "has no training/training.json"),
        ("models:/nobody/1", "no model version 'nobody/1'"),
        ("models:/nobody@champion", "no model version 'nobody@champion'"),
    ],
)
def test_what_the_server_does_not_have(
    registry_home: Settings, tmp_path: Path, name: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    one = write_training(tmp_path / "one")
    wanted = log_run(registry_home, None, "empty") if name == "EMPTY" else name
    assert run_command(["compare", str(one), wanted]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert named in lines[0]
