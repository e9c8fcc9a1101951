"""Fixtures every test may use: a home of its own and free ports."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from voxloop.settings import Settings, get_settings

PORT_NAMES = ("mlflow", "airflow", "triton_http", "triton_grpc", "triton_metrics")


def free_ports(count: int) -> list[int]:
    """Return TCP ports nobody listens on, all held open until every one is chosen."""
    with_sockets = [socket.socket() for _ in range(count)]
    try:
        for one in with_sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in with_sockets]
    finally:
        for one in with_sockets:
            one.close()


def set_home(patch: pytest.MonkeyPatch, home: Path) -> Settings:
    """Point the settings at a fresh home and free ports, and read them anew."""
    patch.setenv("VOXLOOP_HOME", str(home))
    for name, port in zip(PORT_NAMES, free_ports(len(PORT_NAMES)), strict=True):
        patch.setenv(f"VOXLOOP_PORTS__{name.upper()}", str(port))
    get_settings.cache_clear()
    return get_settings()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings with a temporary home and free ports; the cache is emptied afterwards."""
    yield set_home(monkeypatch, tmp_path / "home")
    monkeypatch.undo()
    get_settings.cache_clear()


@pytest.fixture
def home(settings: Settings) -> Path:
    """Return the temporary home."""
    return settings.home
