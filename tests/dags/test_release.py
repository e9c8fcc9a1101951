"""What the DAGs of release run: command lines, whatever the parameters, and what they leave out during a freeze."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from voxloop.ledger.book import open_ledger
from voxloop.release.freezes import freeze_family
from voxloop.settings import Settings, child_environment

ROOT = Path(__file__).resolve().parents[2]

RUN = """
import importlib, json, sys
from unittest.mock import patch

sys.path.insert(0, sys.argv[1])
for name, params in json.loads(sys.argv[2]):
    file = importlib.import_module(name)
    (only,) = getattr(file, name)().tasks
    said = []
    with (
        patch.object(file, "run_command", side_effect=lambda arguments: said.append(arguments) or "done"),
        patch.object(file, "get_current_context", return_value={"params": params}),
    ):
        try:
            assert only.python_callable() == "done"
        except Exception as ended:
            said.append([type(ended).__name__, str(ended)])
    print("SAID", json.dumps(said))
"""

CASES: list[tuple[str, dict[str, object], list[str]]] = [
    ("reconcile_serving", {"task": None}, ["reconcile"]),
    ("reconcile_serving", {"task": "emotion"}, ["reconcile", "--task", "emotion"]),
    ("deploy_approved", {"task": "asr"}, ["deploy", "--task", "asr"]),
    (
        "deploy_approved",
        {"task": "emotion"},
        ["AirflowSkipException", "emotion is frozen until 2999-01-01 00:00 UTC: the fair"],
    ),
]


def test_each_task_is_one_command_and_nothing_is_deployed_during_a_freeze(settings: Settings, tmp_path: Path) -> None:
    until, at = datetime(2999, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    freeze_family(open_ledger(settings), "emotion", until=until, because="the fair", at=at)
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(ROOT / "dags"), json.dumps([case[:2] for case in CASES])],
        env=child_environment({**settings.environment(), "AIRFLOW_HOME": str(tmp_path)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = [json.loads(line.removeprefix("SAID ")) for line in done.stdout.splitlines() if line.startswith("SAID ")]
    assert said == [[command] for _, _, command in CASES]
