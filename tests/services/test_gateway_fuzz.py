"""Broken requests in great number, straight to the application: none may end in anything but an answer or a problem."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest

from tests.conftest import set_home
from tests.faults.mutated_audio import MUTATIONS, ORIGINALS, make_original
from tests.services.gateway_platform import GatewayPlatform
from voxloop.gateway.app import Gateway, build_app
from voxloop.gateway.config import load_gateway_config
from voxloop.gateway.guard import Guard
from voxloop.settings import find_project_root, get_settings

FAMILIES = ("emotion", "personality")
"""What hears and what reads; recognition is asked by the same code as emotion."""
ALLOWED = {200, 400, 401, 403, 404, 405, 413, 415, 422}
KINDS = (
    *("audio/wav", "audio/flac", "application/octet-stream", "application/json", "multipart/form-data; boundary=x"),
    *(
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "text/plain",
        "",
        "audio/wav; codecs=\xff",
        ";;;",
        "a/b" * 99,
    ),
)
CHUNK = 24


@pytest.fixture
def platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exports: Callable[[str], Path]
) -> Iterator[GatewayPlatform]:
    if not (find_project_root() / ".venv-triton" / "bin" / "python").exists():
        pytest.skip("no Triton environment")
    platform = GatewayPlatform(set_home(monkeypatch, tmp_path / "home"))
    with platform.triton():
        for task in FAMILIES:
            platform.stage(task, task, exports(task))
            platform.route(task, task)
        yield platform
    get_settings.cache_clear()


def draw_request(draw: np.random.Generator, key: str) -> dict[str, Any]:
    """Return a request that is broken in some way, or none."""
    family = FAMILIES[int(draw.integers(len(FAMILIES)))]
    headers: list[tuple[bytes, bytes]] = [(b"host", b"x"), (b"authorization", f"Bearer {key}".encode())]
    kind = "audio/wav"
    way = int(draw.integers(10))
    if way < 5:
        original = make_original(int(draw.integers(ORIGINALS)))
        content = MUTATIONS[int(draw.integers(len(MUTATIONS)))](original, draw)
    elif way < 7:
        kind, content = "multipart/form-data; boundary=x", mutate(make_form(draw), draw)
    elif way < 9:
        kind, content = "application/json", mutate(make_json(draw), draw)
    else:
        content = draw.bytes(int(draw.integers(200)))
    if draw.random() < 0.2:
        kind = KINDS[int(draw.integers(len(KINDS)))]
    headers.append((b"content-type", kind.encode("latin-1")))
    if draw.random() < 0.1:
        headers.append((b"content-length", [b"-1", b"abc", b"9" * 30, b"0", b"\xff", b"1_0"][int(draw.integers(6))]))
    if draw.random() < 0.05:
        headers[1] = (b"authorization", b"Bearer " + draw.bytes(40))
    method = "POST" if draw.random() < 0.95 else str(draw.choice(["GET", "PUT", "BREW", ""]))
    path = f"/v1/{family}" if draw.random() < 0.95 else "/" + draw.bytes(6).decode("latin-1")
    return {"method": method, "path": path, "headers": headers, "content": content}


def make_form(draw: np.random.Generator) -> bytes:
    parts = []
    sound = make_original(int(draw.integers(ORIGINALS))).content
    fields = {"text": b"I love parties", "language": b"en", "features": b'{"a": 1}', "audio": sound}
    for name, value in fields.items():
        if draw.random() < 0.6:
            file = '; filename="s"' if name == "audio" else ""
            parts.append(f'--x\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + value)
    return b"\r\n".join([*parts, b"--x--\r\n"])


def make_json(draw: np.random.Generator) -> bytes:
    values: list[Any] = [
        "I love",
        "\ud800",
        "\0",
        "",
        None,
        5,
        [],
        {},
        {"f0_mean_hz": 1e308},
        {"a": float("nan")},
        "x" * 50_000,
    ]
    picked = {name: values[int(draw.integers(len(values)))] for name in ("text", "language", "features")}
    return json.dumps(picked).encode() if draw.random() < 0.9 else b"[" * 20_000


def mutate(content: bytes, draw: np.random.Generator) -> bytes:
    if draw.random() < 0.4 or not content:
        return content
    changed = bytearray(content)
    for place in draw.integers(min(len(changed), 400), size=int(draw.integers(1, 5))):
        changed[place] = int(draw.integers(256))
    return bytes(changed[: int(draw.integers(1, len(changed) + 1))]) if draw.random() < 0.3 else bytes(changed)


async def send(app: Guard, request: dict[str, Any]) -> tuple[int, dict[bytes, bytes], bytes]:
    """Call the application as a server does; where httpx would refuse to, too."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "query_string": b"",
        "root_path": "",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "raw_path": request["path"].encode("latin-1"),
        **{key: request[key] for key in ("method", "path", "headers")},
    }
    parts = [{"type": "http.request", "body": request["content"], "more_body": False}]
    sent: list[Any] = []

    async def receive() -> Any:
        return parts.pop() if parts else {"type": "http.disconnect"}

    async def take(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, take)
    headers = dict(sent[0]["headers"])
    return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:])


async def fuzz(gateway: Gateway, key: str, count: int, seed: int) -> tuple[Counter[int], list[int]]:
    draw = np.random.default_rng(seed)
    found: Counter[int] = Counter()
    memory: list[int] = []
    async with gateway.live():
        for start in range(0, count, CHUNK):
            requests = [draw_request(draw, key) for _ in range(min(CHUNK, count - start))]
            for request, (status, headers, content) in zip(
                requests, await asyncio.gather(*(send(gateway.public, one) for one in requests)), strict=True
            ):
                found[status] += 1
                assert status in ALLOWED, (status, content, request["method"], request["path"], request["headers"])
                assert len(headers[b"x-request-id"]) == 32
                if status != 200 and request["method"] != "HEAD":
                    assert json.loads(content)["status"] == status
            if start % (CHUNK * 20) == 0:
                gc.collect()
                memory.append(psutil.Process().memory_info().rss)
    return found, memory


def run_fuzz(platform: GatewayPlatform, count: int, seed: int) -> tuple[Counter[int], list[int]]:
    config = load_gateway_config(("requests_per_second=1e9", "burst=1000000000"))
    return asyncio.run(fuzz(build_app(platform.settings, config), platform.make_key(), count, seed))


@pytest.mark.slow
def test_a_hundred_thousand_broken_requests_leave_the_gateway_as_it_was(
    platform: GatewayPlatform, fault_seed: int
) -> None:
    count = get_settings().trial_count(100_000)
    found, memory = run_fuzz(platform, count, fault_seed)
    assert {200, 401, 415, 422} <= found.keys()
    print(dict(found), [one // 2**20 for one in memory])
    assert sum(found.values()) == count
    settled = memory[len(memory) // 4]  # after what is made once
    assert memory[-1] < 1.1 * settled


@pytest.mark.slow
def test_a_body_that_never_ends_and_one_that_never_comes(platform: GatewayPlatform) -> None:
    """Over a real socket: the one is cut off at the limit, the other at the time."""

    def endless() -> Iterator[bytes]:
        while True:
            yield b"\0" * 65_536

    with platform.gateway("--set", "body_seconds=1.0"), platform.client(platform.make_key()) as client:
        headers = {"Content-Type": "audio/wav"}
        with suppress(httpx.WriteError):  # the answer was sent and the connection closed while we still wrote
            assert client.post("/v1/emotion", content=endless(), headers=headers).status_code == 413
        port = platform.settings.ports.gateway
        with socket.create_connection(("127.0.0.1", port), 30) as slow:
            key = platform.make_key()
            lines = [
                "POST /v1/emotion HTTP/1.1",
                "Host: x",
                f"X-API-Key: {key}",
                "Content-Type: audio/wav",
                "Content-Length: 10",
            ]
            slow.sendall("\r\n".join([*lines, "", "abc"]).encode())
            assert b" 408 " in slow.recv(4096)
        assert client.get("/healthz").status_code == 200
