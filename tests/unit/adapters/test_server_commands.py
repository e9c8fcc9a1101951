"""The commands that start the servers: loopback only, nothing sent out, nothing left open."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from voxloop.adapters import mlflow, triton
from voxloop.adapters.triton_keys import read_control_key, read_inference_key
from voxloop.adapters.triton_runtime import find_wheel, prepare
from voxloop.errors import ConfigError, IntegrityError
from voxloop.settings import Settings, find_project_root


@pytest.fixture
def with_triton(settings: Settings) -> Settings:
    if not settings.triton_python.exists():
        pytest.skip(f"no {settings.triton_python}: `make setup` makes Triton's environment")
    return settings


def test_triton_listens_on_loopback_alone(with_triton: Settings) -> None:
    argv, env = triton.server_argv(with_triton)
    flags = dict(flag.removeprefix("--").split("=", 1) for flag in argv[1:] if "=" in flag)
    for server in ("http", "grpc", "metrics"):
        assert flags[f"{server}-address"] == "127.0.0.1"
        assert flags[f"{server}-port"] == str(getattr(with_triton.ports, f"triton_{server}"))
    assert flags["model-control-mode"] == "explicit"
    control, inference = read_control_key(with_triton), read_inference_key(with_triton)
    for flag in ("http-restricted-api", "grpc-restricted-protocol"):
        assert [argument for argument in argv if argument.startswith(f"--{flag}=")] == [
            f"--{flag}=model-repository,shared-memory,trace,logging:x-voxloop-key={control}",
            f"--{flag}=inference,metadata,model-config,statistics:x-voxloop-key={inference}",
        ]
    assert env["PATH"].split(":")[0] == str(with_triton.triton_python.parent)


def test_the_backend_is_linked_outside_the_environment(with_triton: Settings) -> None:
    wheel = find_wheel(with_triton.triton_python)
    before = sorted(path for path in wheel.rglob("*"))
    for _ in range(2):
        assert prepare(with_triton).name == "tritonserver"
    backend = with_triton.home / "triton" / "backends" / "python"
    assert {path.name for path in backend.iterdir()} == {
        "libtriton_python.so",
        "triton_python_backend_stub",
        "triton_python_backend_utils.py",
    }
    assert all(path.resolve().is_file() for path in backend.iterdir())
    assert sorted(path for path in wheel.rglob("*")) == before


def test_a_missing_environment_is_said(settings: Settings, tmp_path: Path) -> None:
    elsewhere = settings.model_copy(update={"triton_venv": tmp_path / "none"})
    with pytest.raises(ConfigError, match="no Triton under .*make setup"):
        triton.server_argv(elsewhere)


def test_each_key_of_triton_is_the_owners_alone(settings: Settings) -> None:
    keys = {"control.key": read_control_key, "inference.key": read_inference_key}
    for name, read in keys.items():
        key, file = read(settings), settings.home / "triton" / name
        assert len(key) == 64
        assert read(settings) == key == file.read_bytes().hex()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_control_key(settings) != read_inference_key(settings)


def test_a_key_of_triton_that_was_cut_is_said(settings: Settings) -> None:
    read_inference_key(settings)
    (settings.home / "triton" / "inference.key").write_bytes(b"abc")
    with pytest.raises(IntegrityError, match=r"inference\.key holds 3 bytes; .* has 32; remove it"):
        read_inference_key(settings)


def test_mlflow_listens_on_loopback_alone_and_reports_to_nobody(settings: Settings) -> None:
    argv = mlflow.server_argv(settings)
    assert argv[argv.index("--host") + 1] == "127.0.0.1"
    assert argv[argv.index("--workers") + 1] == "1"
    assert argv[argv.index("--port") + 1] == str(settings.ports.mlflow)
    assert "MLFLOW_DISABLE_TELEMETRY=true" in argv


def test_asking_mlflow_does_not_import_feast() -> None:
    """Feast is a plugin of MLflow's request headers, and takes 8 s to import."""
    code = (
        "import sys; from voxloop.adapters.mlflow import import_without_header_plugins as go; go();"
        "import mlflow.tracking.request_header.registry as registry;"
        "print(len(list(registry._request_header_provider_registry)), 'feast' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "False"]


def test_the_triton_constraints_are_names_and_versions() -> None:
    lines = (find_project_root() / "constraints-triton.txt").read_text().splitlines()
    assert any(line.startswith("nvidia-pytriton==") for line in lines)
    assert all(line.count("==") == 1 and " " not in line and "/" not in line for line in lines)
