"""One real MLflow and one real Triton for all tests of a session, on free ports, in a home of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from tests.conftest import free_ports, signed_in
from tests.services.people import People, add_people
from tests.services.pipeline_folders import make_repository
from tests.services.servers import running
from voxloop.adapters import mlflow, triton
from voxloop.settings import Ports, Settings, find_project_root, get_settings


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of the servers below."""
    names = ("mlflow", "airflow", "triton_http", "triton_grpc", "triton_metrics", "gateway", "gateway_admin")
    ports = Ports(**dict(zip(names, free_ports(len(names)), strict=True)))
    return Settings(home=tmp_path_factory.mktemp("services"), ports=ports)


@pytest.fixture(scope="session")
def shared_mlflow(shared: Settings) -> Iterator[Settings]:
    log = shared.home / "mlflow.log"
    with running(mlflow.server_argv(shared), f"{shared.mlflow_url}/health", log), signed_in(shared):
        yield shared


@pytest.fixture(scope="session")
def people(shared_mlflow: Settings) -> Iterator[People]:
    """Accounts of each role at the server above."""
    people = add_people(shared_mlflow)
    with people.client:
        yield people


@pytest.fixture(scope="session")
def triton_process(shared: Settings) -> Iterator[subprocess.Popen[bytes]]:
    if not shared.triton_python.exists():
        pytest.skip(f"no {shared.triton_python}: `make setup` makes Triton's environment")
    argv, env = triton.server_argv(shared)
    with running(argv, f"{shared.triton_url}/v2/health/ready", shared.home / "triton.log", env=env) as process:
        yield process


FAMILIES = [
    "first",
    "stale",
    "probed",
    "killed",
    "tampered",
    "fetched",
    "mixed",
    "swap",
    "parity",
    "changed",
    "whole",
    "senseless",
    "once",
    "reasoned",
    "carded",
    "judged",
    "dirty",
    "cut",
    "bytes",
    "bad-data",
    "looked",
    "mended",
    "rolled",
    "storm",
    "lagging",
    "approved",
]


@pytest.fixture(autouse=True)
def families(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test have a family of its own, so that all of them can share the servers."""
    from voxloop.tasks import emotion

    monkeypatch.setattr("voxloop.tasks.task_names", lambda: ["asr", "emotion", "personality", *FAMILIES])
    for name in FAMILIES:  # each is emotion by another name
        monkeypatch.setitem(sys.modules, f"voxloop.tasks.{name}", emotion)


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give a model folder of each family, made once."""
    from tests.services.tiny_exports import write_export

    root = tmp_path_factory.mktemp("exports")
    return lru_cache(lambda task: write_export(root / task, task))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a clean git checkout."""
    return make_repository(tmp_path / "checkout", find_project_root())


@pytest.fixture
def registry_home(shared_mlflow: Settings, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings as a job sees them: the shared MLflow, a clean checkout of its own."""
    with signed_in(shared_mlflow):
        yield enter(monkeypatch, shared_mlflow, checkout)
    monkeypatch.undo()
    get_settings.cache_clear()


@pytest.fixture
def platform(registry_home: Settings, triton_process: subprocess.Popen[bytes]) -> Settings:
    """Settings as a job sees them: the shared MLflow and Triton."""
    assert triton_process.poll() is None
    return registry_home


def enter(monkeypatch: pytest.MonkeyPatch, shared: Settings, checkout: Path) -> Settings:
    for name, value in shared.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("VOXLOOP_PROJECT_ROOT", str(checkout))
    get_settings.cache_clear()
    return get_settings()
