"""What the DAG drift_watch runs: a watch, a decision and a retraining a family, and none where there is no reference."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from voxloop.settings import Settings, child_environment

ROOT = Path(__file__).resolve().parents[2]
RUN = """
import json, sys
from unittest.mock import patch
from voxloop.runners import drift_watch as runner

sys.path.insert(0, sys.argv[1])
import importlib
file = importlib.import_module("drift_watch")
said = {}
for one in file.drift_watch().tasks:
    if not one.task_id.startswith("watch_"):
        continue
    run = lambda arguments: said.setdefault(one.task_id, []).append(arguments) or "done"
    context = {"params": {"task": json.loads(sys.argv[2])}}
    with patch.object(runner, "run_command", side_effect=run), patch.object(
        file, "get_current_context", return_value=context
    ):
        try:
            assert one.python_callable(*one.op_args, **one.op_kwargs) == "done"
        except Exception as ended:
            said[one.task_id] = [type(ended).__name__, str(ended)]
print("SAID", json.dumps(said))
"""


@pytest.mark.parametrize("asked", [None, "asr"])
def test_each_family_with_a_reference_is_watched(settings: Settings, tmp_path: Path, asked: str | None) -> None:
    (settings.drift / "emotion").mkdir(parents=True)
    (settings.drift / "emotion" / "reference.json").write_text("{}")
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(ROOT / "dags"), json.dumps(asked)],
        env=child_environment({**settings.environment(), "AIRFLOW_HOME": str(tmp_path)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1].removeprefix("SAID "))
    skipped = {family: said[f"watch_{family}"] for family in ("asr", "personality")}
    assert all(kind == "AirflowSkipException" for kind, _ in skipped.values())
    assert "asr has no reference" in skipped["asr"][1]
    expected = [["drift", "emotion"]] if asked is None else ["AirflowSkipException", "asked for asr alone"]
    assert said["watch_emotion"] == expected


ASK = """
import json, sys
from voxloop.runners.drift_watch import ask_for_retraining
try:
    ask_for_retraining("emotion")
except Exception as ended:
    told = {name: getattr(ended, name, None) for name in ("trigger_dag_id", "dag_run_id", "conf", "skip_when_already_exists")}
    print("SAID", json.dumps([type(ended).__name__, str(ended), told]))
"""


@pytest.mark.parametrize("word", ["RETRAIN", "WAIT", "LABEL_MORE", "ALERT"])
def test_only_an_episode_worth_it_starts_a_run_of_the_nightly_dag(
    settings: Settings, tmp_path: Path, word: str
) -> None:
    episode = "2026-11-29T09:00+00:00" if word != "WAIT" else None
    decision = {"word": word, "episode": episode, "reasons": ["3 of the last 6 windows"], "arguments": "prod"}
    (settings.drift / "emotion").mkdir(parents=True)
    (settings.drift / "emotion" / "decision.json").write_text(json.dumps(decision))
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env=child_environment({**settings.environment(), "AIRFLOW_HOME": str(tmp_path)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kind, said, told = json.loads(done.stdout.splitlines()[-1].removeprefix("SAID "))
    if word != "RETRAIN":
        assert (kind, said) == ("AirflowSkipException", f"emotion: {word}: 3 of the last 6 windows")
        return
    assert kind == "DagRunTriggerException"
    assert told == {
        "trigger_dag_id": "nightly_retraining",
        "dag_run_id": f"drift__emotion__{episode}",
        "conf": {
            "task": "emotion",
            "reason": f"drift since {episode}: 3 of the last 6 windows",
            "arguments": "prod",
        },
        "skip_when_already_exists": True,
    }
