"""Searches with real services: a study in PostgreSQL, its runs in MLflow."""

from __future__ import annotations

import time
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient
from optuna.storages import RDBStorage

from tests.services.postgres_server import PostgresServer, running_postgres
from tests.unit.training.tones import TINY, tone_rows, write_tones
from tests.unit.training.trainings import server
from tests.unit.tuning.studies import assert_whole, start_tune
from voxloop.errors import ServiceUnavailableError
from voxloop.jobs.tune import tune
from voxloop.settings import Settings, get_settings

__all__ = ["server"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tones(tmp_path_factory.mktemp("tones") / "dataset", tone_rows({"train": 2, "dev": 1}))


@pytest.fixture
def postgres(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresServer]:
    with running_postgres() as running:
        monkeypatch.setenv("VOXLOOP_STUDY_DATABASE", running.address)
        get_settings.cache_clear()
        yield running
    get_settings.cache_clear()


@pytest.mark.slow
def test_workers_share_a_study_in_postgres_and_one_may_die(
    server: ForkServerContext, settings: Settings, postgres: PostgresServer, dataset: Path, tmp_path: Path
) -> None:
    """The workers have homes of their own: they share nothing but the database."""
    homes = [tmp_path / "here", tmp_path / "there"]
    for home in homes:
        home.mkdir()
    doomed, other = (start_tune(server, home, dataset, home / "out", "shared", 5) for home in homes)
    words = homes[0] / f"out-{doomed.pid}.txt"
    end = time.monotonic() + 400
    while time.monotonic() < end and doomed.is_alive() and not (words.exists() and "training " in words.read_text()):
        time.sleep(0.01)
    doomed.kill()
    doomed.join()
    other.join(200)
    told = [path.read_text() for home in homes for path in home.glob("out-*.txt")]
    assert other.exitcode == 0, told
    storage = RDBStorage(postgres.address.replace("postgresql:", "postgresql+psycopg:"))
    trials = optuna.load_study(study_name="shared", storage=storage).trials
    assert assert_whole(trials, 5) == 1
    storage.engine.dispose()
    written = [path.read_bytes() for home in homes for path in home.rglob("*") if path.is_file()]
    assert not any(postgres.password.encode() in content for content in written)
    assert not [*tmp_path.rglob("journal.log")]


def test_a_database_that_does_not_answer_is_told_without_its_password(
    settings: Settings, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOXLOOP_STUDY_DATABASE", "postgresql://me:hush@127.0.0.1:1/studies")
    get_settings.cache_clear()
    with pytest.raises(ServiceUnavailableError, match="database on 127.0.0.1 does not answer") as raised:
        tune(dataset, tmp_path / "out", config="smoke", search="smoke", mlflow=False, overrides=TINY)
    assert "hush" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_asked_for_mlflow_must_answer(home: Path, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(ServiceUnavailableError, match="MLflow does not answer"):
        tune(dataset, tmp_path / "out", config="smoke", search="smoke", trials=1, mlflow=True, overrides=TINY)
    assert not (tmp_path / "out").exists()


def test_every_trial_is_a_run_below_the_studys(mlflow_server: Settings, dataset: Path, tmp_path: Path) -> None:
    for trials in (3, 5):  # asked for more, it writes what is new
        out = tmp_path / f"out-{trials}"
        tune(dataset, out, config="smoke", search="smoke", study="seen", trials=trials, mlflow=True, overrides=TINY)
    client = MlflowClient(mlflow_server.mlflow_url)
    experiment = client.get_experiment_by_name("emotion")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    children = {int(run.data.tags["voxloop.trial"]): run for run in runs if run is not parent}
    assert sorted(children) == list(range(5))
    assert {run.data.tags["mlflow.parentRunId"] for run in children.values()} == {parent.info.run_id}
    states = {"complete": "FINISHED", "pruned": "KILLED"}
    for run in children.values():
        assert run.info.status == states[run.data.tags["voxloop.state"]]
        assert set(run.data.params) == {"optimiser.learning_rate", "network.hidden", "network.norm"}
        history = client.get_metric_history(run.info.run_id, "dev_uar")
        assert [point.step for point in history] == list(range(1, len(history) + 1))
        assert history
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["trials_complete"] + parent.data.metrics["trials_pruned"] == 5
    best = max(run.data.metrics["best"] for run in children.values() if "best" in run.data.metrics)
    assert parent.data.metrics["best_uar"] == best
