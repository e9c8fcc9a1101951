"""Four simulated days on the real platform: one drift, one decoy. The verdict is looked at with stock readers."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.test_whole_loop import free_ports, processes_of
from tests.soak import in_soak

CHECKOUT = Path(__file__).resolve().parents[2]
VOXLOOP = Path(sys.executable).with_name("voxloop")
PORTS = ["MLFLOW", "AIRFLOW", "TRITON_HTTP", "TRITON_GRPC", "TRITON_METRICS", "GATEWAY", "GATEWAY_ADMIN"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    in_soak("a quarter of an hour of a simulated platform"),
]


def test_a_drift_is_answered_once_and_a_decoy_not_at_all(clean_checkout: Path, tmp_path: Path, fault_seed: int) -> None:
    environment = {
        **os.environ,
        **free_ports(PORTS),
        "VOXLOOP_HOME": str(tmp_path),
        "VOXLOOP_PROJECT_ROOT": str(clean_checkout),
        "VOXLOOP_TRITON_VENV": str(CHECKOUT / ".venv-triton"),
    }
    seed = fault_seed % 1_000_000
    command: list[str | Path] = [VOXLOOP, "simulate", "--days", "4", "--seed", str(seed), "--no-scheduler"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    home = tmp_path / f"simulation-emotion-{seed}"
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    said = json.loads((home / "report" / "simulation.json").read_text())
    (drift,) = said["drifts"]
    assert len(drift["retrainings"]) == 1 or drift["decisions_to_wait"]
    assert said["stray_retrainings"] == []
    database = sqlite3.connect(f"file:{home / 'ledger' / 'ledger.sqlite'}?mode=ro", uri=True)
    claimed = database.execute("select count(*) from ledger_entry where kind = 'retraining'").fetchone()[0]
    database.close()
    assert claimed == 1 + len(drift["retrainings"])
    assert processes_of(home) == []
