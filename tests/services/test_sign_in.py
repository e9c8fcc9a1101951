"""Signing in to MLflow: every route of the real server, stock clients, and where no password may be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.services.people import People
from voxloop.adapters.mlflow import connect
from voxloop.approval_app.routes import OPEN, is_read
from voxloop.release.roles import SERVICE_ACCOUNT
from voxloop.settings import child_environment

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")
ROUTES = Path(__file__).with_name("mlflow_routes.py")


@pytest.fixture(scope="module")
def registered_routes() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", ROUTES], env=child_environment(), capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_every_route_and_method_wants_an_account(people: People, registered_routes: dict[str, Any]) -> None:
    asked = {(method, path) for methods, path in registered_routes["routes"] for method in methods}
    asked |= {(method, path) for _, path in asked for method in ("GET", "POST", "PUT", "PATCH", "DELETE")}
    assert len(asked) > 1000
    with httpx.Client(base_url=people.settings.mlflow_url, trust_env=False, timeout=60) as client:
        answered = {(method, path): client.request(method, path).status_code for method, path in sorted(asked)}
        wrong = client.get("/", auth=(SERVICE_ACCOUNT, "wrong")).status_code
    assert wrong == 401
    assert {place for place, status in answered.items() if status != 401} == OPEN


def test_what_graphql_calls_a_mutation_only_searches(registered_routes: dict[str, Any]) -> None:
    assert registered_routes["mutations"] == ["mlflow_search_datasets", "mlflow_search_runs"]


def test_who_may_only_read_writes_by_no_route(people: People, registered_routes: dict[str, Any]) -> None:
    writes = {
        (method, path)
        for methods, path in registered_routes["routes"]
        for method in methods
        if not is_read(method, path)
    }
    assert len(writes) > 300
    for method, path in sorted(writes):
        assert people.ask("vic", method, path.removeprefix("/"), json={}).status_code == 403, (method, path)
    for method, path in sorted(writes):  # nothing but its tags, and these say of what they are
        answer = people.ask("ann", method, path.removeprefix("/"), json={})
        assert answer.status_code in (400, 403), (method, path)


def test_a_person_signs_in_with_stock_mlflow(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow
    from mlflow.exceptions import MlflowException

    theirs = connect(people.settings).create_experiment("theirs")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "tim")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", people.passwords["tim"])
    client = mlflow.MlflowClient(people.settings.mlflow_url)
    experiment = client.create_experiment("tims")
    run = client.create_run(experiment, tags={"mlflow.user": "root"})
    client.log_metric(run.info.run_id, "loss", 1.0)
    client.log_text(run.info.run_id, "mine", "notes/a.txt")
    client.set_terminated(run.info.run_id)
    tags = client.get_run(run.info.run_id).data.tags
    assert (tags["mlflow.user"], tags["voxloop.owner"]) == ("tim", "tim")
    with pytest.raises(MlflowException, match=r"is service's, not tim's; .*; use an experiment of your own"):
        client.create_run(theirs)
    with pytest.raises(MlflowException, match="signed in as tim"):
        client.create_run(experiment, tags={"mlflow.user": "ann"})
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong")
    with pytest.raises(MlflowException, match="nobody is signed in"):
        client.get_run(run.info.run_id)


def test_no_password_is_in_a_log_or_a_command_line(people: People) -> None:
    import psutil

    connect(people.settings).search_experiments()
    told = "".join(path.read_text(errors="replace") for path in people.settings.home.rglob("*.log"))
    assert "/ajax-api/" in told
    lines = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    for password in people.passwords.values():
        assert password not in told
        assert not any(password in line for line in lines)
