"""A scheduler killed in the middle of a nightly run: after its restart the run ends as if nothing had happened.

Judged from outside: Airflow's database, MLflow's stock client, and the folders that the steps left.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.conftest import signed_in
from tests.services.local_platform import running_platform
from tests.small_project import make_small_project
from tests.soak import in_soak
from voxloop.ledger.book import open_ledger
from voxloop.local.airflow import SCHEDULER
from voxloop.local.supervisor import Supervisor
from voxloop.monitoring.retraining import ASKED, JUDGED, Reason, list_retrainings
from voxloop.runners.airflow_api import AirflowApi, airflow_home
from voxloop.runners.result import RunResult
from voxloop.settings import Settings, get_settings

DAG = "nightly_retraining"
BEFORE = {"ingest", "validate", "leakage", "poison", "features"}
"""The steps that have ended when the training is under way."""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    in_soak("two runs of the pipeline on a platform, ten minutes"),
]


@pytest.fixture(scope="module")
def started(
    module_settings: Settings, clean_checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """A platform whose project takes minutes to train."""
    project = make_small_project(clean_checkout, tmp_path_factory.mktemp("project"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOXLOOP_PROJECT_ROOT", str(project))
        patch.setenv("VOXLOOP_TRITON_VENV", str(module_settings.triton_python.parents[1]))
        get_settings.cache_clear()
        with running_platform(get_settings()):
            yield get_settings()
    get_settings.cache_clear()


@pytest.mark.parametrize("alone", [True, False], ids=["the scheduler alone", "the scheduler with all it runs"])
def test_a_killed_scheduler_takes_up_the_night_where_it_was(started: Settings, alone: bool) -> None:
    night = f"a-night-{'alone' if alone else 'with-all'}"
    retrain_id = Reason("emotion", ASKED, night).retrain_id
    folder = started.home / "runs" / retrain_id
    api = AirflowApi.connect(started)
    # Another seed for each: the second must not find the first one's training in the store.
    changes = {"policy": "easy", "bootstrap": True, "because": "a test", "overrides": [f"seed={40 + alone}"]}
    assert api.trigger(DAG, run_id=night, conf={"changes": changes})
    wait_for_training(api, night, folder)
    killed = kill_scheduler(started, alone=alone)
    assert api.wait_for_run(DAG, night, timeout=1500) == "success"
    assert Supervisor(started.home).states()[SCHEDULER].pid not in (0, killed)
    (found,) = [one for one in list_retrainings(open_ledger(started).read()) if one.retrain_id == retrain_id]
    assert (found.state, len(found.attempts)) == (JUDGED, 1)
    result = RunResult.read(folder)
    print(f"{night}: reused {sorted(result.reused)}, airflow's tries {tries(started, night)}")
    assert result.verdict == "PASS"
    assert versions(started, retrain_id) == [result.version]
    if len(list((folder / "steps").glob("*"))) > 1:  # the night was begun anew: what had ended was not done again
        assert set(result.reused) >= BEFORE


def wait_for_training(api: AirflowApi, night: str, folder: Path) -> None:
    """Wait until the step `train` of the run is under way."""
    end = time.monotonic() + 1200
    while not list(folder.glob("steps/*/**/train")):
        assert api.run_state(DAG, night) in ("queued", "running")
        assert time.monotonic() < end, "the night came to no training"
        time.sleep(0.5)


def kill_scheduler(settings: Settings, *, alone: bool) -> int:
    """Kill the scheduler by force, and every process below it unless `alone`; return its process id."""
    scheduler = psutil.Process(Supervisor(settings.home).states()[SCHEDULER].pid)
    below = [] if alone else scheduler.children(recursive=True)
    assert alone or any("retrain" in " ".join(process.cmdline()) for process in below)
    for process in (scheduler, *below):
        process.kill()
    psutil.wait_procs([scheduler, *below], timeout=30)
    return scheduler.pid


def tries(settings: Settings, night: str) -> int:
    """Return how often Airflow has tried the training, as its own database has it."""
    path = airflow_home(settings) / "airflow.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        asked = "select try_number from task_instance where dag_id = ? and run_id = ? and task_id = 'run_training'"
        ((number,),) = database.execute(asked, (DAG, night)).fetchall()
    return int(number)


def versions(settings: Settings, retrain_id: str) -> list[int]:
    """Return the versions that the retraining registered, as MLflow has them."""
    from mlflow import MlflowClient

    with signed_in(settings):
        found = MlflowClient(settings.mlflow_url).search_model_versions("name='emotion'")
    return [int(one.version) for one in found if one.tags.get("voxloop.retrain_id") == retrain_id]
