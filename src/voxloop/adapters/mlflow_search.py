"""A search as MLflow runs: one for the study, and one below it for each trial that has ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from voxloop.adapters.mlflow import connect, translated
from voxloop.adapters.mlflow_runs import METRICS_A_BATCH, find_or_create_experiment
from voxloop.errors import VoxloopError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from voxloop.settings import Settings
    from voxloop.tuning.locks import Locks
    from voxloop.tuning.report import StudyReport, TrialReport

STUDY, TRIAL, STATE = "voxloop.study", "voxloop.trial", "voxloop.state"
PARENT = "mlflow.parentRunId"
STATUSES = {"complete": "FINISHED", "pruned": "KILLED", "lost": "KILLED", "failed": "FAILED"}
LONGEST_VALUE = 6000
"""Characters of a parameter that MLflow keeps."""


class SearchRuns:
    """Keeps the runs of one study as the study is; what is there already is not written again.

    Args:
        settings: They name the tracking server.
        locks: Of the study: of two workers, one writes at a time.
        wanted: Whether the runs are written: always, so that the search ends when the server is silent; never; or,
            None, when it answers: else this says so once and goes on.
    """

    def __init__(self, settings: Settings, locks: Locks, *, wanted: bool | None) -> None:
        self._settings, self._locks, self._wanted = settings, locks, wanted
        self._client: MlflowClient | None = None
        self._given_up = wanted is False

    def open(self) -> None:
        """Look for the server.

        Raises:
            ServiceUnavailableError: It does not answer, and is required.
        """
        self._attempt(self._connect)

    def follow(self, report: StudyReport) -> None:
        """Write the runs of the trials that have ended and have none yet."""
        self._attempt(lambda: self._write(report))

    def finish(self, report: StudyReport) -> None:
        """Write what is missing, and the study's own run: the best trial, the counts."""
        self._attempt(lambda: self._write(report, over=True))

    def _attempt(self, act: Callable[[], None]) -> None:
        if self._given_up:
            return
        try:
            act()
        except VoxloopError as failed:
            if self._wanted:
                raise
            self._given_up = True
            print(f"the search goes on without MLflow: {failed.problem}", flush=True)

    def _connect(self) -> None:
        self._client = connect(self._settings)

    def _write(self, report: StudyReport, *, over: bool = False) -> None:
        client = self._client
        assert client is not None  # noqa: S101 - opened first
        with self._locks.alone("mlflow"), translated(self._settings):
            experiment = find_or_create_experiment(client, report.task)
            parent = _find_parent(client, experiment, report) or _create_parent(client, experiment, report)
            written = _find_children(client, experiment, parent)
            for trial in report.trials:
                if trial.state in STATUSES and str(trial.number) not in written:
                    _write_trial(client, experiment, parent, trial, report)
            if over:
                _finish(client, parent, report)


def _find_parent(client: MlflowClient, experiment: str, report: StudyReport) -> str | None:
    found = client.search_runs([experiment], f"tags.`{STUDY}` = '{_name(report)}'", max_results=1)
    return found[0].info.run_id if found else None


def _create_parent(client: MlflowClient, experiment: str, report: StudyReport) -> str:
    tags = {STUDY: _name(report), "mlflow.source.type": "JOB", "mlflow.source.name": "voxloop tune"}
    return str(client.create_run(experiment, tags=tags, run_name=report.study).info.run_id)


def _name(report: StudyReport) -> str:
    return f"{report.study}/{report.digest}"


def _find_children(client: MlflowClient, experiment: str, parent: str) -> set[str]:
    """Return the numbers of the trials whose runs are whole; those cut short are deleted and written again."""
    written, token = set(), None
    while True:
        page = client.search_runs([experiment], f"tags.`{PARENT}` = '{parent}'", max_results=1000, page_token=token)
        for run in page:
            if run.info.status == "RUNNING":
                client.delete_run(run.info.run_id)
            else:
                written.add(run.data.tags[TRIAL])
        if not (token := page.token):
            return written


def _write_trial(client: MlflowClient, experiment: str, parent: str, trial: TrialReport, report: StudyReport) -> None:
    from mlflow.entities import Metric, Param

    tags = {PARENT: parent, TRIAL: str(trial.number), STATE: trial.state}
    if trial.error is not None:
        tags["voxloop.error"] = trial.error
    if trial.retry_of is not None:
        tags["voxloop.retry_of"] = str(trial.retry_of)
    run: Run = client.create_run(experiment, tags=tags, run_name=f"trial {trial.number}")
    params = [Param(path, str(value)[:LONGEST_VALUE]) for path, value in trial.params.items()]
    metrics = [
        Metric(f"dev_{report.objective}", value, run.info.start_time, epoch) for epoch, value in trial.values.items()
    ]
    metrics.append(Metric("seconds", trial.seconds, run.info.start_time, 0))
    if trial.value is not None:
        metrics.append(Metric("best", trial.value, run.info.start_time, 0))
    client.log_batch(run.info.run_id, params=params)
    for start in range(0, len(metrics), METRICS_A_BATCH):
        client.log_batch(run.info.run_id, metrics=metrics[start : start + METRICS_A_BATCH])
    client.set_terminated(run.info.run_id, STATUSES[trial.state])


def _finish(client: MlflowClient, parent: str, report: StudyReport) -> None:
    for state in STATUSES:
        client.log_metric(parent, f"trials_{state}", sum(trial.state == state for trial in report.trials), step=0)
    best = report.best
    if best is not None and best.value is not None:
        client.log_metric(parent, f"best_{report.objective}", best.value, step=0)
        client.set_tag(parent, "voxloop.best_trial", str(best.number))
    client.set_terminated(parent, "FINISHED" if best else "FAILED")
