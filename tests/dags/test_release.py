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
from voxloop.runners import waiting_approvals

sys.path.insert(0, sys.argv[1])
for name, params in json.loads(sys.argv[2]):
    file = importlib.import_module(name)
    said = {}
    for one in getattr(file, name)().tasks:
        run = lambda arguments: said.setdefault(one.task_id, []).append(arguments) or "done"
        with (
            patch.object(waiting_approvals, "run_command", side_effect=run),
            patch.object(file, "run_command", side_effect=run, create=True),
            patch.object(file, "get_current_context", return_value={"params": params}),
        ):
            try:
                assert one.python_callable(*one.op_args, **one.op_kwargs) == "done"
            except Exception as ended:
                said[one.task_id] = [type(ended).__name__, str(ended)]
    print("SAID", json.dumps(said))
"""
FROZEN = ["AirflowSkipException", "emotion is frozen until 2999-01-01 00:00 UTC: the fair"]
LEFT_OUT = ["AirflowSkipException", "asked for asr alone"]

CASES: list[tuple[str, dict[str, object], dict[str, list[object]]]] = [
    ("reconcile_serving", {"task": None}, {"reconcile": [["reconcile"]]}),
    ("reconcile_serving", {"task": "emotion"}, {"reconcile": [["reconcile", "--task", "emotion"]]}),
    (
        "deploy_approved",
        {"task": None},
        {
            "deploy_asr": [["deploy", "--task", "asr"]],
            "deploy_emotion": [*FROZEN],
            "deploy_personality": [["deploy", "--task", "personality"]],
            "tell_approvers": [["notify"]],
        },
    ),
    (
        "deploy_approved",
        {"task": "asr"},
        {
            "deploy_asr": [["deploy", "--task", "asr"]],
            "deploy_emotion": [*LEFT_OUT],
            "deploy_personality": [*LEFT_OUT],
            "tell_approvers": [["notify"]],
        },
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
    assert said == [case[2] for case in CASES]
