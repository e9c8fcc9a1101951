"""The door by itself; round Airflow's real server: tests/services/test_airflow_doors.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from voxloop.runners.airflow_door import COOKIE, FILES, LOGIN_PAGE, LONGEST, OPEN, Door

PAGE = {"Accept": "text/html,*/*"}


async def answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{request.method} {len(await request.body())}")


async def talk(socket: WebSocket) -> None:
    await socket.accept()


async def is_good(token: str) -> bool:
    return token == "good"


@pytest.fixture
def client() -> Iterator[TestClient]:
    methods = ["GET", "POST", "PUT", "DELETE"]
    app = Starlette(routes=[WebSocketRoute("/talk", talk), Route("/{path:path}", answer, methods=methods)])
    with TestClient(Door(app, is_good), follow_redirects=False) as client:
        yield client


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer good"}, 200),
        ({"authorization": "bearer good"}, 200),
        ({"Authorization": "Basic good"}, 401),
        ({"Authorization": "Basic eDp5", "Cookie": f"{COOKIE}=good"}, 200),
        ({"Authorization": "Bearer bad", "Cookie": f"{COOKIE}=good"}, 401),
        ({"Cookie": f"a=b; {COOKIE}=good"}, 200),
        ({"Cookie": f"{COOKIE}=bad"}, 401),
        ({"Cookie": "token=good"}, 401),
    ],
)
def test_a_token_is_in_the_header_or_else_in_the_cookie(
    client: TestClient, headers: dict[str, str], status: int
) -> None:
    for method in ("GET", "POST"):
        assert client.request(method, "/dags", headers=headers).status_code == status


def test_what_is_open_is_so_by_its_method(client: TestClient) -> None:
    for method, path in OPEN:
        assert client.request(method, path).status_code == 200
        for other in {"GET", "POST", "PUT", "DELETE"} - {method}:
            assert client.request(other, path).status_code == 401
    assert client.get(f"{FILES}a.js").status_code == 200
    assert client.post(f"{FILES}a.js").status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"x" * LONGEST, 200), (b"x" * (LONGEST + 1), 413), (iter([b"x"]), 413)],
    ids=["longest", "longer", "of unknown length"],
)
def test_the_body_of_who_signs_in_is_short(client: TestClient, body: Any, status: int) -> None:
    assert client.post("/auth/token", content=body).status_code == status


@pytest.mark.parametrize("length", ["-1", "1e2", ""])
def test_a_length_that_is_no_number_is_none(client: TestClient, length: str) -> None:
    assert client.post("/auth/token", headers={"Content-Length": length}).status_code == 413


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/", None),
        ("/api/v2/auth/logout", None),
        ("/dags/a%20b/runs?tab=x&y=%26", "/dags/a%20b/runs?tab=x&y=%26"),
        ("//other.example/a", "//other.example/a"),  # the login page goes to no other host
    ],
)
def test_after_signing_in_a_browser_goes_on_to_its_page(client: TestClient, path: str, page: str | None) -> None:
    asked = client.get(f"http://testserver{path}", headers=PAGE)
    address = urlsplit(asked.headers["location"])
    assert (asked.status_code, address.netloc, address.path) == (307, "", LOGIN_PAGE)
    assert parse_qs(address.query).get("next") == ([page] if page else None)


def test_nobody_opens_a_socket(client: TestClient) -> None:
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        client.websocket_connect("/talk", headers={"Authorization": "Bearer good"}),
    ):
        pass
    assert refused.value.code == 1008
