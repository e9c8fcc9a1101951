"""A real PostgreSQL server for tests: loopback, a port and a folder of its own, a password nobody else knows."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.conftest import free_ports

INITDB, POSTGRES = (
    next((str(path) for path in (*Path("/usr/lib/postgresql").glob(f"*/bin/{name}"),)), None) or shutil.which(name)
    for name in ("initdb", "postgres")
)


@dataclass(frozen=True)
class PostgresServer:
    """Where it listens and what it asks for."""

    port: int
    password: str

    @property
    def address(self) -> str:
        return f"postgresql://voxloop:{self.password}@127.0.0.1:{self.port}/postgres"


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Run a server until the block ends, as nobody in particular: it refuses to be root."""
    if INITDB is None or POSTGRES is None:
        pytest.skip("no PostgreSQL on this machine (initdb and postgres)")
    (port,) = free_ports(1)
    server = PostgresServer(port, secrets.token_urlsafe(16))
    with tempfile.TemporaryDirectory(prefix="voxloop-postgres-") as name:
        folder, more = Path(name), _as_somebody(Path(name))
        secret = folder / "password"
        secret.write_text(server.password)
        secret.chmod(0o644)
        made = [INITDB, "-D", str(folder / "data"), "-U", "voxloop", "-A", "scram-sha-256", f"--pwfile={secret}"]
        subprocess.run(made, check=True, capture_output=True, cwd=folder, **more)
        listens = ["-h", "127.0.0.1", "-p", str(port), "-c", "unix_socket_directories=", "-c", "fsync=off"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [POSTGRES, "-D", str(folder / "data"), *listens], cwd=folder, stdout=log, stderr=log, **more
            )
        try:
            _wait_until_it_answers(server, process)
            yield server
        finally:
            process.terminate()
            process.wait(30)


def _as_somebody(folder: Path) -> dict[str, Any]:
    if os.getuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _wait_until_it_answers(server: PostgresServer, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            psycopg.connect(server.address).close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("PostgreSQL does not answer")
