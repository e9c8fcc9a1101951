from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import free_ports
from voxloop.local.health import is_beating, is_healthy
from voxloop.local.programs import Service

START = datetime(2026, 1, 2, tzinfo=UTC)


class Answer(BaseHTTPRequestHandler):
    """Answers with the status its path asks for."""

    def do_GET(self) -> None:
        body = b'{"scheduler": {"status": "healthy", "latest_scheduler_heartbeat": "2026-01-02T00:00:05Z"}}'
        self.send_response(int(self.path[1:]))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answer) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def service(health: str, heartbeat: str = "") -> Service:
    return Service(name="any", address="", health=health, heartbeat=heartbeat, log=Path("any.log"))


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (400, False), (503, False)])
def test_only_a_good_answer_is_healthy(server: str, status: int, healthy: bool) -> None:
    assert is_healthy(service(f"{server}/{status}"), START) is healthy


def test_silence_is_not_healthy() -> None:
    assert not is_healthy(service(f"http://127.0.0.1:{free_ports(1)[0]}/200"), START)


def test_a_proxy_is_not_asked(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_ports(1)[0]}")
    assert is_healthy(service(f"{server}/200", "scheduler"), START)


@pytest.mark.parametrize(
    ("part", "healthy"),
    [
        ({"status": "healthy", "latest_scheduler_heartbeat": "2026-01-02T00:00:01+00:00"}, True),
        ({"status": "healthy", "latest_scheduler_heartbeat": "2026-01-01T23:59:59+00:00"}, False),
        ({"status": "healthy", "latest_scheduler_heartbeat": None}, False),
        ({"status": "unhealthy", "latest_scheduler_heartbeat": "2026-01-02T00:00:01+00:00"}, False),
        ({"status": None, "latest_scheduler_heartbeat": None}, False),
        (None, False),
    ],
    ids=["beats", "beat of its predecessor", "never beat", "too long ago", "unknown", "absent"],
)
def test_a_heartbeat_counts_from_the_start_of_the_process(part: object, healthy: bool) -> None:
    assert is_beating({"scheduler": part}, "scheduler", START) is healthy


def test_the_database_has_no_heartbeat() -> None:
    assert is_beating({"metadatabase": {"status": "healthy"}}, "metadatabase", START + timedelta(days=1))
