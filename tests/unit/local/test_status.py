from __future__ import annotations

import json

import pytest

from voxloop.local.status import ProgramStatus, render_table, status
from voxloop.settings import Settings

ROW = ProgramStatus(
    program="mlflow", state="RUNNING", pid=7, uptime_s=61, memory_mib=200, address="http://127.0.0.1:1", healthy=True
)


def test_with_nothing_running_it_is_not_well(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert status() == 1
    assert "voxloop up" in capsys.readouterr().out
    assert status(json=True) == 1
    assert json.loads(capsys.readouterr().out) == []


def test_the_table_lines_up_and_adds_the_memory() -> None:
    dead = ROW.model_copy(update={"program": "airflow-scheduler", "address": "", "healthy": False, "memory_mib": 9})
    heads, *rows, foot = render_table([ROW, dead]).splitlines()
    assert [row[heads.index("healthy") :] for row in rows] == ["yes", "no"]
    assert rows[1][heads.index("address")] == "-"
    assert "0:01:01" in rows[0]
    assert foot == "memory of all: 209 MiB"
