from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from tests.conftest import free_ports
from voxloop.errors import ConfigError, PortTakenError
from voxloop.local.ports import is_free, refuse_taken_ports


@pytest.fixture(params=["127.0.0.1", "0.0.0.0"])  # noqa: S104 - a listener on every address takes ours too
def taken(request: pytest.FixtureRequest) -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind((request.param, 0))
        listener.listen(1)
        yield listener.getsockname()[1]


def test_free_ports_pass() -> None:
    first, second = free_ports(2)
    refuse_taken_ports("127.0.0.1", {"mlflow": first, "airflow": second})


def test_a_taken_port_is_named_with_its_holder_and_the_way_out(taken: int) -> None:
    (free,) = free_ports(1)
    with pytest.raises(PortTakenError) as refused:
        refuse_taken_ports("127.0.0.1", {"mlflow": free, "airflow": taken})
    said = str(refused.value)
    assert f"port {taken} for airflow" in said
    assert f"pid {os.getpid()}" in said
    assert "VOXLOOP_PORTS__AIRFLOW" in said
    assert "--set settings.ports.airflow" in said
    assert refused.value.exit_code == 2


def test_one_port_for_two_services_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"ports\.mlflow and ports\.airflow are both 5000"):
        refuse_taken_ports("127.0.0.1", {"mlflow": 5000, "airflow": 5000})


def test_a_port_whose_connections_are_still_closing_is_free() -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as every server does
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = listener.accept()
            accepted.close()  # the side that closes first keeps the port in TIME_WAIT
    assert is_free("127.0.0.1", port)
