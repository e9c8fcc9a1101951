from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from voxloop.config import apply_overrides
from voxloop.errors import ConfigError
from voxloop.settings import Ports, Settings, child_environment, get_settings, now


def test_everything_binds_to_loopback_by_default(settings: Settings) -> None:
    assert settings.host == "127.0.0.1"
    assert settings.mlflow_url.startswith("http://127.0.0.1:")


def test_a_wrong_variable_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXLOOP_PORTS__MLFLOW", "70000")
    get_settings.cache_clear()
    with pytest.raises(ConfigError, match="VOXLOOP_PORTS__MLFLOW. holds '70000'.*less than or equal to 65535"):
        get_settings()


def test_an_override_reaches_this_process_and_its_children(settings: Settings) -> None:
    port = settings.ports.airflow
    changed = apply_overrides(["ports.mlflow=5055"])
    assert (changed.ports.mlflow, changed.ports.airflow) == (5055, port)
    child = subprocess.run(
        [
            sys.executable,
            "-c",
            "from voxloop.settings import get_settings; print(get_settings().model_dump_json())",
        ],
        env=child_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(child.stdout) == json.loads(changed.model_dump_json())


def test_an_unknown_setting_names_the_nearest(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="did you mean 'ports.mlflow'"):
        apply_overrides(["ports.mlflw=1"])


def test_the_home_is_absolute(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXLOOP_HOME", "here")
    get_settings.cache_clear()
    assert get_settings().home == Path.cwd() / "here"


@pytest.mark.parametrize(("trials", "count"), [("0.001", 1), ("0.1", 40), ("1", 400)])
def test_a_counting_check_takes_its_share_of_the_whole_figure(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, trials: str, count: int
) -> None:
    monkeypatch.setenv("VOXLOOP_TRIALS", trials)
    get_settings.cache_clear()
    assert get_settings().trial_count(400) == count


def test_the_clock_is_aware_and_in_utc() -> None:
    assert now().utcoffset() == timedelta(0)


def test_what_is_given_goes_before_the_environment_port_by_port(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VOXLOOP_RUNNER", "kubeflow")
    monkeypatch.setenv("VOXLOOP_REDIS_TLS", "true")
    made = Settings.model_validate({"home": tmp_path / "given", "ports": {"mlflow": 5055}})
    assert (made.home, made.runner, made.redis_tls) == (tmp_path / "given", "kubeflow", True)
    assert (made.ports.mlflow, made.ports.airflow) == (5055, settings.ports.airflow)
    assert Settings(ports=Ports()).ports == Ports()


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("VOXLOOP_RUNER", "kubeflow", "VOXLOOP_RUNER is no setting"),
        ("VOXLOOP_PORTS__MLFLW", "1", "VOXLOOP_PORTS__MLFLW is no setting"),
        ("VOXLOOP_HOST", "0.0.0.0", "listens on loopback alone"),  # noqa: S104
    ],
)
def test_what_cannot_be_meant_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(variable, value)
    get_settings.cache_clear()
    with pytest.raises(ConfigError, match=expected):
        get_settings()
