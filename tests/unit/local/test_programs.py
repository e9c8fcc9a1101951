from __future__ import annotations

import pytest

from voxloop.errors import ConfigError
from voxloop.local.programs import (
    PROGRAMS,
    build_component,
    build_programs,
    platform_file,
    read_platform,
    wanted_ports,
    write_platform,
)
from voxloop.settings import Settings


def test_an_unknown_program_is_named(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="no program 'airflow'.*airflow-scheduler"):
        build_programs(settings, ["airflow"])


def test_every_port_of_the_settings_belongs_to_a_program(settings: Settings) -> None:
    assert wanted_ports(settings, PROGRAMS) == settings.ports.model_dump()


def test_airflow_alone_wants_airflows_port(settings: Settings) -> None:
    assert wanted_ports(settings, ["airflow-api-server", "airflow-scheduler"]) == {"airflow": settings.ports.airflow}


@pytest.mark.parametrize("name", ["airflow-scheduler", "airflow-triggerer"])
def test_no_log_server_is_started(settings: Settings, name: str) -> None:
    assert "--skip-serve-logs" in build_component(settings, name).argv


def test_what_is_written_down_is_read_again_without_command_lines(settings: Settings) -> None:
    programs = [build_component(settings, "airflow-api-server")]
    write_platform(settings.home, programs, {"airflow": 1})
    platform = read_platform(settings.home)
    assert platform is not None
    assert platform.services[0].address == settings.airflow_url
    assert platform.ports == {"airflow": 1}
    assert "argv" not in platform_file(settings.home).read_text()


def test_nothing_was_ever_started(settings: Settings) -> None:
    assert read_platform(settings.home) is None
