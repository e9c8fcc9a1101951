"""Whether there is a gateway to be asked: only where nothing listens there is none."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from voxloop.adapters import gateway_front
from voxloop.adapters.gateway_front import GatewayFront
from voxloop.errors import ServiceUnavailableError
from voxloop.settings import Settings


@contextmanager
def listening(said: bytes | None) -> Iterator[int]:
    """Yield the port of a server that says the same to everybody; one that is stopped, as by SIGSTOP, for None."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        port = server.getsockname()[1]
        if said is None:
            yield port  # the kernel accepts for it
            return
        thread = threading.Thread(target=_answer, args=(server, said))
        thread.start()
        yield port
        thread.join()


def _answer(server: socket.socket, said: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(said)


def front_of(settings: Settings, port: int) -> GatewayFront:
    ports = settings.ports.model_copy(update={"gateway": port})
    return GatewayFront(settings.model_copy(update={"ports": ports}))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (None, "/healthz: TimeoutError"),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "/healthz: 503"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "/healthz: 404"),
        (b"", "/healthz: RemoteDisconnected"),
        (b"no HTTP\r\n\r\n", "/healthz: BadStatusLine"),
    ],
    ids=["stopped", "ill", "another server", "hangs up", "no HTTP"],
)
def test_what_listens_and_does_not_answer_well_is_no_missing_gateway(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, said: bytes | None, told: str
) -> None:
    monkeypatch.setattr(gateway_front, "HEALTH_SECONDS", 0.2)
    with (
        listening(said) as port,
        pytest.raises(ServiceUnavailableError, match=f"does not answer for emotion .{told}"),
    ):
        front_of(settings, port).read_answering("emotion")


def test_where_nothing_listens_there_is_no_gateway(settings: Settings) -> None:
    with listening(None) as port:
        pass
    assert front_of(settings, port).read_answering("emotion") is None


def test_a_family_that_hears_no_sound_is_not_asked_for(settings: Settings) -> None:
    with listening(None) as port:
        assert front_of(settings, port).read_answering("personality") is None
