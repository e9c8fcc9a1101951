"""What the DAG drift_watch runs: a watch, a decision and a retraining a family, and none where there is no reference."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from tests.unit.data.leak_datasets import CONFIG, make_rows, write_rows
from voxloop.data.evaluation_set_cut import Cut, cut_evaluation_set
from voxloop.settings import Settings, child_environment
from voxloop.tasks import FAMILIES

ROOT = Path(__file__).resolve().parents[2]
RUN = """
import json, sys
from unittest.mock import patch
from voxloop.runners import drift_watch as runner

sys.path.insert(0, sys.argv[1])
import importlib
file = importlib.import_module("drift_watch")
said = {}
dag = file.drift_watch()
assert [(one.task_id, sorted(one.downstream_task_ids)) for one in dag.tasks] == [
    ("watch", ["decide"]), ("decide", ["retrain"]), ("retrain", [])
]
(group,) = dag.task_group.children.values()
assert [one.task_group for one in dag.tasks] == [group] * 3
one = dag.get_task("watch")
for family in group._expand_input.value["family"]:
    run = lambda arguments: said.setdefault(family, []).append(arguments) or "done"
    context = {"params": {"task": json.loads(sys.argv[2])}}
    with patch.object(runner, "run_command", side_effect=run), patch.object(
        file, "get_current_context", return_value=context
    ):
        try:
            assert one.python_callable(family) == "done"
        except Exception as ended:
            said[family] = [type(ended).__name__, str(ended)]
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
    assert list(said) == list(FAMILIES)
    skipped = {family: said[family] for family in ("asr", "personality")}
    assert all(kind == "AirflowSkipException" for kind, _ in skipped.values())
    assert "asr has no reference" in skipped["asr"][1]
    expected = [["drift", "emotion"]] if asked is None else ["AirflowSkipException", "asked for asr alone"]
    assert said["emotion"] == expected


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


@pytest.mark.parametrize(
    ("days", "changes"),
    [
        ([], {}),
        (["2026-11-28"], {}),
        (["2026-11-28", "2026-11-29", "2026-11-30"], {"changes": {"reason_set": "calls-2026-11-30"}}),
    ],
)
def test_only_an_episode_worth_it_starts_a_run_of_the_nightly_dag(
    settings: Settings, tmp_path: Path, days: list[str], changes: dict[str, object]
) -> None:
    """What was cut since the drift began is what the challenger must be better on."""
    dataset = write_rows(tmp_path / "dataset", make_rows())
    for day in days:
        asked = Cut(dataset, "calls", date.fromisoformat(day), "emotion", "test")
        cut_evaluation_set(asked, settings.evaluation_sets, CONFIG)
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
            **changes,
        },
        "skip_when_already_exists": True,
    }
