"""How the gateway begins and ends: what keeps it from it is told as what it is, and an ordinary end is no failure."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import free_ports
from tests.services.gateway_platform import wait_for
from tests.services.servers import running
from voxloop.errors import ConfigError, IntegrityError, PortTakenError, ServiceUnavailableError, VoxloopError
from voxloop.gateway.keys import KeyBook
from voxloop.gateway.listening import open_listener, serve
from voxloop.gateway.serve import gateway
from voxloop.local.ports import is_free
from voxloop.settings import Settings, child_environment, get_settings, now

GATEWAY = [sys.executable, "-P", "-m", "voxloop", "gateway"]
NOWHERE = "192.0.2.1"
"""An address that is no machine's (RFC 5737)."""


@contextmanager
def taken(port: int) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", port)):
        yield


def run_gateway() -> subprocess.CompletedProcess[str]:
    return subprocess.run(GATEWAY, env=child_environment(), capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("name", ["gateway", "gateway_admin"])
def test_a_taken_port_is_told_before_anything_is_started(settings: Settings, name: str) -> None:
    port = getattr(settings.ports, name)
    with taken(port):
        done = run_gateway()
    assert done.returncode == PortTakenError.exit_code
    assert f"voxloop: port {port} for {name} is taken by another process; one port, one service; stop" in done.stderr
    assert f"set VOXLOOP_PORTS__{name.upper()}\n" in done.stderr
    assert not settings.home.exists()


def test_one_port_for_both_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    port = settings.ports.gateway
    monkeypatch.setenv("VOXLOOP_PORTS__GATEWAY_ADMIN", str(port))
    get_settings.cache_clear()
    with pytest.raises(ConfigError, match=f"ports.gateway and ports.gateway_admin are both {port}"):
        gateway()


def test_figures_are_told_however_many_callers_are_under_way(settings: Settings) -> None:
    keys = KeyBook(settings.gateway_keys)
    key, reader = keys.add("tests", ("emotion",), now()), keys.add("operators", ("metrics",), now())
    argv = [*GATEWAY, "--set", "in_flight=1", "--set", "body_seconds=60"]
    with running(argv, f"{settings.gateway_url}/healthz", settings.home / "log", env=child_environment()):
        with socket.create_connection((settings.host, settings.ports.gateway), 30) as slow:
            lines = [f"X-API-Key: {key}", "Host: x", "Content-Type: application/json", "Content-Length: 10"]
            slow.sendall("\r\n".join(["POST /v1/feedback HTTP/1.1", *lines, "", "{"]).encode())
            asked = httpx.Client(headers={"X-API-Key": key}, trust_env=False)
            with asked:
                wait_for(lambda: asked.get(f"{settings.gateway_url}/openapi.json").status_code == 503)
            figures = httpx.get(f"{settings.gateway_admin_url}/metrics", headers={"X-API-Key": reader}, trust_env=False)
        assert figures.status_code == 200
        assert 'status="503"' in figures.text


def test_keys_that_others_may_use_are_told_as_such(settings: Settings) -> None:
    settings.gateway_keys.parent.mkdir(parents=True)
    settings.gateway_keys.write_text("{}")
    settings.gateway_keys.chmod(0o644)
    done = run_gateway()
    assert done.returncode == IntegrityError.exit_code
    assert "may be used by others (mode 644)" in done.stderr
    assert "port" not in done.stderr


@pytest.fixture
def heard_interrupts() -> Iterator[None]:
    """Hand SIGINT down as a terminal does: a shell's background jobs ignore it, and so would whatever they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard_interrupts")
@pytest.mark.parametrize(
    ("number", "code", "last"),
    [
        (signal.SIGTERM, 128 + signal.SIGTERM, "Finished"),
        (signal.SIGHUP, 128 + signal.SIGHUP, "Finished"),
        (signal.SIGINT, 130, "voxloop: interrupted"),
    ],
)
def test_an_end_by_a_signal_is_no_failure_and_everything_is_ended(
    settings: Settings, number: signal.Signals, code: int, last: str
) -> None:
    with subprocess.Popen(
        GATEWAY, env=child_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        wait_until_alive(settings, process)
        assert list(settings.predictions.glob("**/*.journal"))
        process.send_signal(number)
        said = process.communicate(timeout=300)[0]
    assert process.returncode == code, said
    assert "cannot be listened on" not in said
    assert "Traceback" not in said
    assert last in said.splitlines()[-1]
    ports = (settings.ports.gateway, settings.ports.gateway_admin)
    assert all(f"listening on 127.0.0.1:{port}" in said for port in ports)
    assert not list(settings.predictions.glob("**/*.journal")), "the prediction log was ended"
    assert all(is_free(settings.host, port) for port in ports)


def wait_until_alive(settings: Settings, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{settings.gateway_url}/healthz", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail("it never answered")


@pytest.mark.parametrize("failed", [IntegrityError("the log is malformed", remedy="restore it"), ZeroDivisionError()])
def test_what_keeps_the_application_from_beginning_passes_as_it_is(settings: Settings, failed: Exception) -> None:
    @asynccontextmanager
    async def live() -> AsyncIterator[None]:
        if failed:
            raise failed
        yield

    before = signal.getsignal(signal.SIGTERM)
    port = settings.ports.gateway
    with pytest.raises(type(failed)) as told:
        serve({open_listener(settings.host, port, "gateway"): _refuse}, live)
    assert told.value is failed
    assert signal.getsignal(signal.SIGTERM) is before
    assert is_free(settings.host, port)


async def _refuse(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("nobody was to ask")


@pytest.mark.parametrize(
    ("number", "kind", "told"),
    [
        (errno.EADDRINUSE, PortTakenError, "is taken"),
        (errno.EACCES, ConfigError, "Permission denied"),
        (errno.EADDRNOTAVAIL, ConfigError, "Cannot assign requested address"),
        (errno.EMFILE, ServiceUnavailableError, "Too many open files"),
        (errno.ENOBUFS, ServiceUnavailableError, "No buffer space"),
    ],
)
def test_each_reason_of_the_system_has_its_own_words(
    monkeypatch: pytest.MonkeyPatch, number: int, kind: type[VoxloopError], told: str
) -> None:
    def refuse(*_: Any, **__: Any) -> socket.socket:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(kind, match=told) as refused:
        open_listener("127.0.0.1", 8090, "gateway")
    assert ("taken" in str(refused.value)) == (number == errno.EADDRINUSE)
    assert refused.value.rule
    assert refused.value.remedy


def test_an_address_of_no_machine_is_no_taken_port() -> None:
    (port,) = free_ports(1)
    with pytest.raises(ConfigError, match=f"port {port} of {NOWHERE} for gateway cannot be listened on: Cannot assign"):
        open_listener(NOWHERE, port, "gateway")


def test_a_socket_listens_at_once(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with open_listener("127.0.0.1", port, "gateway"), pytest.raises(PortTakenError, match=f"port {port} for gateway"):
        open_listener("127.0.0.1", port, "gateway")
