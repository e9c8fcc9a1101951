"""Sockets of the gateway, and the servers on them: what keeps one from listening is told as what it is."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from voxloop.errors import ConfigError, PortTakenError, ServiceUnavailableError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

BACKLOG = 2048
"""Connections that may wait to be taken up; those that come while the gateway starts are answered when it has."""
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Listener(uvicorn.Server):
    """A server that leaves signals to who runs it: what they raise must not cut the application's own end short."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def open_listener(host: str, port: int, setting: str) -> socket.socket:
    """Return a socket that listens: from here on no other process can.

    Args:
        host: An address of this machine.
        port: To listen on.
        setting: Name of the port's setting (`gateway` for `settings.ports.gateway`).

    Raises:
        ConfigError: There is no such address here, or not for this user.
        PortTakenError: Another process listens there.
        ServiceUnavailableError: The system refuses for a reason of its own, such as too many open files.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as refused:
        raise _explain(refused.errno or 0, host, port, setting) from None


def _explain(number: int, host: str, port: int, setting: str) -> Exception:
    variable = f"VOXLOOP_PORTS__{setting.upper()}"
    if number == errno.EADDRINUSE:
        return PortTakenError(
            f"port {port} for {setting} is taken by another process",
            rule="one port, one service",
            remedy=f"stop who listens there (ss -ltnp names it), or set {variable}",
        )
    told = f"port {port} of {host} for {setting} cannot be listened on: {os.strerror(number)}"
    if number in (errno.EACCES, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        rule = "an address of this machine, and a port that its user may have (most systems: from 1024 on)"
        return ConfigError(told, rule=rule, remedy=f"set VOXLOOP_HOST or {variable}")
    return ServiceUnavailableError(told, rule="the system gives what is listened with", remedy="try again later")


def serve(listeners: Mapping[socket.socket, ASGIApp], live: Callable[[], AbstractAsyncContextManager[None]]) -> None:
    """Answer until a signal ends it, which is raised again once everything has ended.

    Args:
        listeners: Which application answers at which socket; closed afterwards.
        live: What the applications need, for as long as they answer. What it raises passes as it is.
    """
    servers = [_Listener(_configure(app)) for app in listeners.values()]

    async def run() -> None:
        async with live():
            for listener in listeners:
                print("listening on {}:{}".format(*listener.getsockname()[:2]), flush=True)
            pairs = zip(servers, listeners, strict=True)
            await asyncio.gather(*(server.serve(sockets=[listener]) for server, listener in pairs))

    with ExitStack() as closing, _ended_by_signals(servers):
        for listener in listeners:
            closing.enter_context(listener)
        with asyncio.Runner(loop_factory=servers[0].config.get_loop_factory()) as runner:
            runner.run(run())


def _configure(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",  # `live` is: uvicorn would turn whatever it raises into an exit code
        access_log=False,  # the figures count; a log of requests would hold what is personal
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=10,
        ws="none",
    )


@contextmanager
def _ended_by_signals(servers: list[_Listener]) -> Iterator[None]:
    received: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        for server in servers:
            server.should_exit = True

    before = {number: signal.signal(number, end) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        signal.raise_signal(received[0])
