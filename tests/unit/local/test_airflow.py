from __future__ import annotations

import json
import stat
from configparser import ConfigParser
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from voxloop.local.airflow import (
    SECRETS,
    component_environment,
    config_sections,
    keep_secrets,
    render_config,
    without_airflow,
)
from voxloop.settings import Settings

KEYS = dict.fromkeys(SECRETS, "key")


def test_secrets_are_made_once_and_are_private(tmp_path: Path) -> None:
    first = keep_secrets(tmp_path)
    assert keep_secrets(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert len({*first.values()}) == len(SECRETS)
    assert all(len(value) >= 44 for value in first.values())
    Fernet(first["fernet_key"])  # of the form Airflow encrypts with


def test_two_homes_have_different_secrets(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert keep_secrets(tmp_path / "a") != keep_secrets(tmp_path / "b")


def test_everything_listens_on_this_machine_alone(settings: Settings) -> None:
    sections = config_sections(settings, KEYS)
    assert sections["api"]["host"] == "127.0.0.1"
    assert str(sections["core"]["execution_api_server_url"]).startswith(f"http://127.0.0.1:{settings.ports.airflow}/")


def test_nobody_is_let_in_without_signing_in(settings: Settings) -> None:
    core = config_sections(settings, KEYS)["core"]
    assert core["auth_manager"] == "voxloop.runners.airflow_sign_in.SignInFirst"  # what it does: test_airflow_doors.py
    assert core["simple_auth_manager_all_admins"] is False


def test_a_percent_sign_in_a_path_survives_airflows_interpolation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = render_config(Settings(home=tmp_path / "100%s done"), KEYS)
    parser = ConfigParser()  # interpolates, as Airflow's does
    parser.read_string(text)
    assert parser["database"]["sql_alchemy_conn"] == f"sqlite:///{tmp_path}/100%s done/airflow/airflow.db?timeout=60"


def test_secrets_are_in_the_configuration_file_not_in_the_environment(settings: Settings, tmp_path: Path) -> None:
    keys = keep_secrets(tmp_path)
    assert all(key in render_config(settings, keys) for key in keys.values())
    assert not any(key in json.dumps(component_environment(settings)) for key in keys.values())


def test_no_proxy_stands_between_the_components(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "example.org")
    assert component_environment(settings)["NO_PROXY"] == "example.org,127.0.0.1"


def test_stray_airflow_variables_do_not_win_over_the_file() -> None:
    stray = {"AIRFLOW__API__HOST": "everywhere", "AIRFLOW_HOME": "here", "PATH": "p"}
    assert without_airflow(stray) == {"AIRFLOW_HOME": "here", "PATH": "p"}
