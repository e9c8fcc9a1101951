"""An MLflow server for as long as something needs one of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from voxloop.adapters.mlflow import require_server, server_argv
from voxloop.errors import ServiceUnavailableError
from voxloop.settings import Settings, environment_of

START_SECONDS = 300.0
"""10 to 25 s on two busy cores, a minute and a half on two that eight others use."""
STOP_SECONDS = 20.0


def find_free_port(host: str) -> int:
    """Return a TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_server(settings: Settings) -> Iterator[None]:
    """Run the server of these settings until the block ends.

    Raises:
        ServiceUnavailableError: It ends at once, or is not healthy in time; its log is `mlflow.log` in the home.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    log = settings.home / "mlflow.log"
    with log.open("wb") as stream:
        server = subprocess.Popen(
            server_argv(settings),
            env=environment_of(settings),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        _wait(server, settings, log)
        yield
    finally:
        _stop(server)


def _wait(server: subprocess.Popen[bytes], settings: Settings, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < end:
        with suppress(ServiceUnavailableError):
            require_server(settings)
            return
        time.sleep(0.3)
    tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    raise ServiceUnavailableError(
        f"MLflow does not start at {settings.mlflow_url}",
        rule=" ".join(tail)[:200],
        remedy="see what else the machine does",
    )


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Stop the server and the worker it started, asked first."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        with suppress(subprocess.TimeoutExpired):
            server.wait(STOP_SECONDS)
            return
