"""Fixtures every test may use: a home of its own, free ports, a clean checkout, a real MLflow server."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import hypothesis
import pytest

from tests.soak import WHOLE
from voxloop.settings import Settings, child_environment, get_settings

CHECKOUT = Path(__file__).resolve().parents[1]

hypothesis.settings.register_profile(
    "voxloop",
    # A red run is about the change that it tests: examples are the same every time, and drawn anew in `make soak`.
    derandomize=not WHOLE,
    max_examples=100 if WHOLE else 40,
    # How long an example takes says most of what else the machine does.
    deadline=None,
)
hypothesis.settings.load_profile("voxloop")

PORT_NAMES = ("mlflow", "airflow", "triton_http", "triton_grpc", "triton_metrics", "gateway", "gateway_admin")


LONGEST_FIRST = (
    "services/test_whole_loop.py",
    "pipelines/test_training.py",
    "chaos/test_corruptions.py",
    "unit/training/test_ranks.py",
    "chaos/test_planted_poison.py",
    "services/test_promotion_kills.py",
    "services/test_browser.py",
    "services/test_canary.py",
    "services/test_approvals_at_once.py",
    "notebooks/test_notebooks.py",
    "services/test_swaps.py",
    "services/test_prediction_log.py",
    "services/test_local_platform.py",
    "chaos/test_search_kills.py",
    "services/test_gateway_fuzz.py",
    "services/test_analyze.py",
    "services/test_triton.py",
)
"""Files that take two to seven minutes. A worker is given whole files, so the long ones are given first: begun last, one
keeps a worker when the others have nothing left to do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the long files first; the order within a file and of all others stays."""
    places = {CHECKOUT / "tests" / name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def free_ports(count: int) -> list[int]:
    """Return TCP ports nobody listens on, all held open until every one is chosen."""
    with_sockets = [socket.socket() for _ in range(count)]
    try:
        for one in with_sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in with_sockets]
    finally:
        for one in with_sockets:
            one.close()


def set_home(patch: pytest.MonkeyPatch, home: Path) -> Settings:
    """Point the settings at a fresh home and free ports, and read them anew."""
    patch.setenv("VOXLOOP_HOME", str(home))
    for name, port in zip(PORT_NAMES, free_ports(len(PORT_NAMES)), strict=True):
        patch.setenv(f"VOXLOOP_PORTS__{name.upper()}", str(port))
    get_settings.cache_clear()
    return get_settings()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings with a temporary home and free ports; the cache is emptied afterwards."""
    yield set_home(monkeypatch, tmp_path / "home")
    monkeypatch.undo()
    get_settings.cache_clear()


@pytest.fixture
def home(settings: Settings) -> Path:
    """Return the temporary home."""
    return settings.home


@pytest.fixture(scope="module")
def module_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings with a temporary home and free ports for a whole module of tests."""
    with pytest.MonkeyPatch.context() as patch:
        yield set_home(patch, tmp_path_factory.mktemp("home"))
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def clean_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project as a git checkout without uncommitted changes: only such a tree may register."""
    copy = tmp_path_factory.mktemp("checkout") / "voxloop"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (CHECKOUT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, copy / name)
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "as it is"]):
        subprocess.run(
            ["git", "-c", "user.name=test", "-c", "user.email=test@localhost", *command], cwd=copy, check=True
        )
    return copy


@pytest.fixture(scope="session")
def fault_seed() -> int:
    """Return the seed of planted faults: drawn from the commit, so that nothing can be fitted to one seed."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    seed = int(commit.stdout[:8], 16)
    print(f"fault seed {seed}")
    return seed


@contextmanager
def running_mlflow(settings: Settings) -> Iterator[None]:
    """Run the real MLflow server of these settings until the block ends."""
    from voxloop.adapters.mlflow import server_argv

    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / "mlflow.log").open("wb") as log:
        server = subprocess.Popen(
            server_argv(settings), env=child_environment(), stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until_healthy(f"{settings.mlflow_url}/health", server, settings.home / "mlflow.log")
        with signed_in(settings):
            yield
    finally:
        server.terminate()
        server.wait(30)


@contextmanager
def signed_in(settings: Settings) -> Iterator[None]:
    """Have MLflow's own clients in this process sign in as the service of a server that runs."""
    from voxloop.adapters.mlflow_sign_in import sign_in

    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
            patch.delenv(name, raising=False)
            patch.setenv(name, "")  # put back afterwards, whatever was set by then
        sign_in(settings)
        yield


def wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 120) -> None:
    """Wait until `url` answers 200; fail with the log when the process ends or the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(url, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.3)
    pytest.fail(f"{url} is not healthy: {log.read_text(encoding='utf-8', errors='replace')[-2000:]}")


@pytest.fixture(scope="module")
def mlflow_server(module_settings: Settings) -> Iterator[Settings]:
    """Run a real MLflow server for a module of tests; its settings are the current ones."""
    with running_mlflow(module_settings):
        yield module_settings
