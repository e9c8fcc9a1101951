"""The ports of the platform: all of them free, all of them different, or nothing is started."""

from __future__ import annotations

import socket
from collections.abc import Mapping

import psutil

from voxloop.errors import ConfigError, PortTakenError


def refuse_taken_ports(host: str, ports: Mapping[str, int]) -> None:
    """Raise unless every port can be listened on.

    Args:
        host: The address to listen on.
        ports: Port by name of its setting (`airflow` for `settings.ports.airflow`).

    Raises:
        ConfigError: Two settings name the same port.
        PortTakenError: Another process has one.
    """
    for key, port in ports.items():
        same = [other for other, number in ports.items() if number == port and other != key]
        if same:
            raise ConfigError(f"ports.{key} and ports.{same[0]} are both {port}", rule="one port, one service")
        if not is_free(host, port):
            raise PortTakenError(
                f"port {port} for {key} is taken by {name_holder(port)}",
                rule="nothing was started",
                remedy=f"stop that process, or choose another port: VOXLOOP_PORTS__{key.upper()}=… or "
                f"--set settings.ports.{key}=…",
            )


def is_free(host: str, port: int) -> bool:
    """Say whether one could listen there. Connections still closing (TIME_WAIT) do not count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def name_holder(port: int) -> str:
    """Return `name (pid 123)` of the process that listens on a port, as far as this user may know."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (port,) and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass
    return "another process"
