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
from pathlib import Path
from voxloop.runners.drift_watch import ask_for_retraining
from voxloop.settings import get_settings

path = get_settings().drift / "emotion" / "decision.json"
path.parent.mkdir(parents=True)
heard = []
for decision in json.loads(sys.argv[1]):
    path.write_text(json.dumps(decision))
    try:
        ask_for_retraining("emotion")
    except Exception as ended:
        names = ("trigger_dag_id", "dag_run_id", "conf", "skip_when_already_exists")
        heard.append([type(ended).__name__, str(ended), {name: getattr(ended, name, None) for name in names}])
print("SAID", json.dumps(heard))
"""


def test_only_an_episode_worth_it_starts_a_run_of_the_nightly_dag(settings: Settings, tmp_path: Path) -> None:
    episode, words = "2026-11-29T09:00+00:00", ("RETRAIN", "WAIT", "LABEL_MORE", "ALERT")
    decisions = [
        {
            "word": word,
            "episode": None if word == "WAIT" else episode,
            "reasons": ["3 of the last 6 windows"],
            "arguments": "prod",
        }
        for word in words
    ]
    done = subprocess.run(
        [sys.executable, "-c", ASK, json.dumps(decisions)],
        env=child_environment({**settings.environment(), "AIRFLOW_HOME": str(tmp_path)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (kind, _, told), *others = json.loads(done.stdout.splitlines()[-1].removeprefix("SAID "))
    assert [other[:2] for other in others] == [
        ["AirflowSkipException", f"emotion: {word}: 3 of the last 6 windows"] for word in words[1:]
    ]
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
