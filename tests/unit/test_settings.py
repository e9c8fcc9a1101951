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


def test_a_clock_that_is_ahead_is_ahead_in_each_process_of_its_platform_and_can_be_put_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = settings.home / "clock"
    file.parent.mkdir()
    file.write_text("86400")
    monkeypatch.setenv("VOXLOOP_CLOCK_FILE", str(file))
    get_settings.cache_clear()
    told = "from datetime import datetime, UTC; from voxloop.settings import now; print(now() - datetime.now(UTC))"
    child = subprocess.run(
        [sys.executable, "-c", told], env=child_environment(), capture_output=True, text=True, check=True
    )
    assert child.stdout.startswith("23:59:59.9")
    before = now()
    file.write_text("90000.5")
    assert timedelta(hours=1) < now() - before < timedelta(hours=1, seconds=10)


@pytest.mark.parametrize(
    ("place", "content", "also", "rule"),
    [
        ("home/clock", None, {}, "holds no number of seconds"),
        ("home/clock", "tomorrow", {}, "holds no number of seconds"),
        ("home/clock", "nan", {}, "not between 0 and"),
        ("home/clock", "-1", {}, "not between 0 and"),
        ("clock", "0", {}, "lies in that platform's `home`"),
        ("home/clock", "0", {"VOXLOOP_RUNNER": "kubeflow"}, "shares no ledger"),
        ("home/clock", "0", {"VOXLOOP_ONLINE_STORE": "redis"}, "shares no ledger"),
        ("home/clock", "0", {"VOXLOOP_LEDGER_URL": "postgresql://a:b@c/d"}, "shares no ledger"),
    ],
)
def test_a_clock_that_is_ahead_is_one_platforms_own(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    place: str,
    content: str | None,
    also: dict[str, str],
    rule: str,
) -> None:
    settings.home.mkdir()
    if content is not None:
        (tmp_path / place).write_text(content)
    monkeypatch.setenv("VOXLOOP_CLOCK_FILE", str(tmp_path / place))
    for name, value in also.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    with pytest.raises(ConfigError, match=rule):
        get_settings()


def test_a_clock_file_that_is_lost_stops_whoever_asks_the_time(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOXLOOP_CLOCK_FILE", str(settings.home / "clock"))
    with pytest.raises(ConfigError, match="holds no number of seconds"):
        now()
