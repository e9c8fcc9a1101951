"""The command `rollback` as a process: what it has loaded at the moment of its route row, and what comes after it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from tests.unit.ledger.books import AT
from voxloop.ledger.book import open_ledger
from voxloop.ledger.entry import ROUTE
from voxloop.release.routes import Route, read_route, record_route
from voxloop.settings import Settings, child_environment

FRONT, FALLBACK = "a" * 64, "b" * 64
SERVERS = (
    "airflow",
    "apprise",
    "fastapi",
    "feast",
    "grpc",
    "httpx",
    "mlflow",
    "opentelemetry",
    "requests",
    "tritonclient",
)
NUMBERS = ("numpy", "onnxruntime", "pandas", "scipy", "torch")
HEAVY = {*SERVERS, *NUMBERS, "alembic", "pydantic_settings", "sqlalchemy", "sqlmodel", "yaml"}
COMMAND = f"""
import sys
from voxloop.ledger.pen import Pen
insert = Pen.insert
def insert_and_tell(pen, entry):
    loaded = sorted({HEAVY} & {{name.partition(".")[0] for name in sys.modules}})
    print(entry.kind, loaded, flush=True)
    return insert(pen, entry)
Pen.insert = insert_and_tell
from voxloop.cli import main
main(sys.argv[1:])
"""


class Answers(BaseHTTPRequestHandler):
    """What Triton says of a model that it serves."""

    asked: ClassVar[list[str]]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        body = json.dumps({"parameters": {"model_digest": {"string_value": FALLBACK}}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def asked(settings: Settings) -> Iterator[list[str]]:
    """What was asked of a server in the place of Triton, while it runs."""

    class Noting(Answers):
        asked: ClassVar[list[str]] = []

    with ThreadingHTTPServer((settings.host, settings.ports.triton_http), Noting) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Noting.asked
        server.shutdown()
        thread.join()


def test_the_route_row_is_written_before_anything_heavy_is_loaded(settings: Settings, asked: list[str]) -> None:
    ledger = open_ledger(settings)
    record_route(ledger, Route("emotion", {FRONT: 1.0}, None, True, "s", FALLBACK), act="route/x", at=AT)
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, "rollback", "emotion", "--because", "it swears"],
        env=child_environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.kill()  # what follows asks MLflow, which is not there
    assert lines[0] == "route []\n"
    assert lines[1].startswith("emotion rolled back: emotion-bbbbbbbbbbbb answers, by ledger entry 2 of ")
    assert lines[2] == "rollback []\n"
    assert asked == [f"/v2/models/emotion-{FALLBACK[:12]}/{what}" for what in ("ready", "config")]
    entries = ledger.verify()
    assert [entry.kind for entry in entries][:2] == [ROUTE, ROUTE]
    route = read_route(entries, "emotion")
    assert route is not None
    assert (route.sole_model, route.fallback) == (FALLBACK, None)
