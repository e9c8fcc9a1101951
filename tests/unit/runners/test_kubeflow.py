"""Submitting to Kubeflow, against an in-memory twin of the two client calls a run needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kfp import Client
from kfp_server_api import ApiException, V2beta1PipelineTaskDetail, V2beta1Run, V2beta1RunDetails

from voxloop.errors import ConfigError, ServiceUnavailableError, VoxloopError
from voxloop.runners.kubeflow import KubeflowClient, run_on_kubeflow
from voxloop.runners.result import RunResult
from voxloop.settings import Settings

ARGUMENTS = {"task": "emotion"}


@dataclass
class KubeflowInMemory:
    """Hands out the given states one after the other; `tasks` belong to the last."""

    states: list[str]
    tasks: dict[str, str] = field(default_factory=dict)
    submitted: list[dict[str, Any]] = field(default_factory=list)

    def create_run_from_pipeline_package(
        self,
        pipeline_file: str,
        arguments: dict[str, Any] | None = None,
        run_name: str | None = None,
        *,
        experiment_name: str | None = None,
        enable_caching: bool | None = None,
    ) -> SimpleNamespace:
        assert Path(pipeline_file).is_file()
        self.submitted.append({"arguments": arguments, "name": run_name, "caching": enable_caching})
        return SimpleNamespace(run_id="run-1")

    def get_run(self, run_id: str) -> V2beta1Run:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        details = [V2beta1PipelineTaskDetail(display_name=name, state=said) for name, said in self.tasks.items()]
        return V2beta1Run(run_id=run_id, state=state, run_details=V2beta1RunDetails(task_details=details))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "training.yaml"
    path.write_text("a compiled package")
    return path


def submit(client: KubeflowClient, package: Path, out: Path, waits: list[float] | None = None) -> RunResult:
    sleep = (waits if waits is not None else []).append
    return run_on_kubeflow("training", package, ARGUMENTS, out, client=client, sleep=sleep)


def test_submits_without_cache_and_waits_for_the_end(package: Path, tmp_path: Path) -> None:
    client = KubeflowInMemory(["PENDING", "RUNNING", "SUCCEEDED"], {"train": "SUCCEEDED", "register": "SKIPPED"})
    waits: list[float] = []
    result = submit(client, package, tmp_path / "run", waits)
    assert client.submitted == [{"arguments": ARGUMENTS, "name": "run", "caching": False}]
    assert len(waits) == 2
    assert result.tasks == {"train": "SUCCEEDED", "register": "SKIPPED"}
    assert (result.job, result.error) == ("run-1", None)
    assert RunResult.read(tmp_path / "run") == result


def test_a_folder_used_again_waits_for_the_run_it_submitted(package: Path, tmp_path: Path) -> None:
    client = KubeflowInMemory(["SUCCEEDED"])
    submit(client, package, tmp_path / "run")
    submit(client, package, tmp_path / "run")
    assert len(client.submitted) == 1


@pytest.mark.parametrize("state", ["FAILED", "CANCELED", "SKIPPED"])
def test_a_run_that_did_not_succeed_is_an_error(package: Path, tmp_path: Path, state: str) -> None:
    client = KubeflowInMemory(["RUNNING", state], {"ingest": "SUCCEEDED", "train": "FAILED"})
    with pytest.raises(VoxloopError, match=f"run-1 ended {state} in train"):
        submit(client, package, tmp_path / "run")
    assert RunResult.read(tmp_path / "run").error is not None


@pytest.mark.parametrize(
    ("lost", "kind"),
    [
        (ApiException(status=503, reason="down"), ServiceUnavailableError),
        (ApiException(status=429, reason="slow down"), ServiceUnavailableError),
        (ConnectionRefusedError("nobody there"), ServiceUnavailableError),
        (ApiException(status=400, reason="bad argument"), VoxloopError),
    ],
)
def test_tells_an_absent_server_from_one_that_refuses(
    package: Path, tmp_path: Path, lost: Exception, kind: type[VoxloopError]
) -> None:
    class Lost(KubeflowInMemory):
        def get_run(self, run_id: str) -> V2beta1Run:
            raise lost

    with pytest.raises(VoxloopError) as raised:
        submit(Lost(["RUNNING"]), package, tmp_path / "run")
    assert type(raised.value) is kind


def test_needs_a_host(package: Path, tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(ConfigError, match="VOXLOOP_KUBEFLOW_HOST"):
        run_on_kubeflow("training", package, ARGUMENTS, tmp_path / "run")


@pytest.mark.parametrize("call", ["create_run_from_pipeline_package", "get_run"])
def test_the_twin_has_the_real_clients_parameters(call: str) -> None:
    import inspect

    ours = set(inspect.signature(getattr(KubeflowInMemory, call)).parameters)
    assert ours <= set(inspect.signature(getattr(Client, call)).parameters)
