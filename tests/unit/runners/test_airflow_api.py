"""What can be said without an Airflow; the rest is asked of a real one in tests/services."""

from __future__ import annotations

import pytest

from tests.conftest import free_ports
from voxloop.errors import ServiceUnavailableError
from voxloop.runners.airflow_api import AirflowApi, password_file
from voxloop.settings import Settings


def test_without_a_platform_the_remedy_is_named(settings: Settings) -> None:
    with pytest.raises(ServiceUnavailableError, match="voxloop up"):
        AirflowApi.connect(settings)


def test_a_server_that_does_not_answer_is_transient() -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(ServiceUnavailableError, match=f"Airflow at {url} does not answer"):
        AirflowApi(url, "password").dags()


def test_the_password_lies_in_the_home(settings: Settings) -> None:
    assert password_file(settings).is_relative_to(settings.home)
