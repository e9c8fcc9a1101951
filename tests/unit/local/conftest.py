"""A backup, and a home that needs it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.unit.local.homes import make_home
from voxloop.local.backup import backup
from voxloop.settings import Settings


@pytest.fixture
def made(settings: Settings, tmp_path: Path) -> Path:
    """Return a backup of a home with five entries, which is gone but for its key."""
    make_home(settings)
    backup(to=tmp_path / "backup")
    for name in ("ledger", "mlflow"):
        shutil.rmtree(settings.home / name)
    return tmp_path / "backup"
