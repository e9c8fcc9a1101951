"""The drill: ledger and registry are destroyed and come back from a backup; what serves is as it was.

MLflow and Triton are the real ones, of a home of their own; what is seen is seen by stock clients.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.conftest import free_ports, signed_in
from tests.services.release_process import Stranger
from tests.services.servers import running
from tests.services.test_triton import do_register
from voxloop.adapters import mlflow
from voxloop.jobs.deploy import deploy
from voxloop.jobs.reconcile import reconcile
from voxloop.settings import Settings, child_environment, get_settings

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"), pytest.mark.slow]
FAMILY = "mended"


@pytest.fixture
def alone(shared: Settings, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings of a platform that shares nothing with that of the other tests."""
    if not shared.triton_python.exists():
        pytest.skip("no Triton environment")
    names = ("MLFLOW", "AIRFLOW", "TRITON_HTTP", "TRITON_GRPC", "TRITON_METRICS", "GATEWAY", "GATEWAY_ADMIN")
    for name, port in zip(names, free_ports(len(names)), strict=True):
        monkeypatch.setenv(f"VOXLOOP_PORTS__{name}", str(port))
    monkeypatch.setenv("VOXLOOP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VOXLOOP_PROJECT_ROOT", str(checkout))
    monkeypatch.setenv("VOXLOOP_TRITON_VENV", str(shared.triton_python.parents[1]))
    get_settings.cache_clear()
    yield get_settings()
    monkeypatch.undo()
    get_settings.cache_clear()


@contextmanager
def up(settings: Settings, log: Path) -> Iterator[None]:
    """Run MLflow, signed in anew (a backup holds no password, the server makes one), and Triton."""
    triton = [sys.executable, "-P", "-m", "voxloop.adapters.triton_start"]
    with ExitStack() as stack:
        stack.enter_context(running(mlflow.server_argv(settings), f"{settings.mlflow_url}/health", log))
        stack.enter_context(signed_in(settings))
        stack.enter_context(running(triton, f"{settings.triton_url}/v2/health/ready", log))
        yield


def voxloop(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("voxloop")), *arguments]
    return subprocess.run(command, env=child_environment(), capture_output=True, text=True, check=False)


@pytest.mark.timeout(1200)
def test_ledger_and_registry_come_back_and_what_serves_is_unchanged(
    alone: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names, stranger, log = [], Stranger(alone, FAMILY), tmp_path / "servers.log"
    with up(alone, log):
        champion = None
        for number, gain in enumerate((1.0, 2.0), start=1):
            champion = do_register(tmp_path / str(number), task=FAMILY, gain=gain, champion=champion).model_digest
            names.append(deploy(task=FAMILY))
        first, second = names
        served = {name: stranger.answer(name) for name in names}
        done = voxloop("backup", "--to", str(tmp_path / "backup"))
        assert done.returncode == 0, done.stderr
        assert voxloop("restore", "--from", str(tmp_path / "backup"), "--replace").returncode == 3, "it runs"
    for name in ("ledger", "mlflow", "triton"):
        shutil.rmtree(alone.home / name)
    done = voxloop("restore", "--from", str(tmp_path / "backup"), "--because", "a drill")
    assert done.returncode == 0, done.stderr
    with up(alone, log):
        done = voxloop("ledger", "verify")
        assert done.returncode == 0, done.stderr
        assert (stranger.alias("champion"), stranger.alias("fallback")) == (second, first)
        assert not stranger.is_ready(second)
        assert reconcile(task=FAMILY) == 0
        assert (stranger.alias("champion"), stranger.alias("fallback")) == (second, first)
        assert {name: stranger.answer(name) for name in names} == served
        capsys.readouterr()
        assert reconcile(task=FAMILY) == 0
        assert capsys.readouterr().out == "ledger, registry and Triton agree\n"
        # And it goes on: the next version is judged against the one that came back.
        do_register(tmp_path / "3", task=FAMILY, gain=3.0, champion=champion)
        third = deploy(task=FAMILY)
        assert (stranger.alias("champion"), stranger.alias("fallback")) == (third, second)
