"""What a training left in MLflow, fetched from the artifacts of its run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.adapters import mlflow_rest
from voxloop.adapters.mlflow import connect, translated
from voxloop.errors import InputError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from voxloop.release.versions import ModelVersion
    from voxloop.settings import Settings

PLACE = "training"
"""Folder of a run's artifacts that `voxloop track` keeps what train wrote in."""


def find_version(settings: Settings, task: str, *, number: int | None = None, alias: str = "") -> ModelVersion:
    """Return a version of a task's model by its number or by its alias.

    Raises:
        InputError: There is none.
        ServiceUnavailableError: The server does not answer.
    """
    if number is None:
        found, asked = mlflow_rest.find_alias(settings, task, alias), f"{task}@{alias}"
    else:
        versions = {version.number: version for version in mlflow_rest.list_versions(settings, task)}
        found, asked = versions.get(number), f"{task}/{number}"
    if found is None:
        raise InputError(
            f"no model version {asked!r}",
            rule=f"versions are registered at {settings.mlflow_url}",
            remedy="look at the models of its UI",
        )
    return found


def fetch_training(settings: Settings, run_id: str, out: Path, names: tuple[str, ...]) -> str:
    """Copy files of a run's training into the folder `out` and return the run's name.

    Args:
        settings: Where the server is.
        run_id: The run, as MLflow names it.
        out: Existing folder.
        names: Files to copy, the first of which must be there.

    Raises:
        InputError: There is no such run, or it has no such file.
        ServiceUnavailableError: The server does not answer.
    """
    from mlflow.artifacts import download_artifacts

    client = connect(settings)
    run = _get_run(client, settings, run_id)
    with translated(settings):
        there = {Path(file.path).name for file in client.list_artifacts(run_id, PLACE)}
        if names[0] not in there:
            raise InputError(
                f"the MLflow run {run_id} has no {PLACE}/{names[0]}",
                rule="`voxloop track` keeps it with the run, until `voxloop gc` frees the run",
                remedy="name another run, or the folder written by train",
            )
        for name in names:
            if name in there:
                got = download_artifacts(
                    run_id=run_id,
                    artifact_path=f"{PLACE}/{name}",
                    dst_path=str(out),
                    tracking_uri=settings.mlflow_url,
                )
                Path(got).rename(out / name)
    return str(run.info.run_name or run_id)


def _get_run(client: MlflowClient, settings: Settings, run_id: str) -> Run:
    from mlflow.exceptions import MlflowException

    with translated(settings):
        try:
            return client.get_run(run_id)
        except MlflowException as absent:
            if absent.error_code not in mlflow_rest.ABSENT:
                raise
    raise InputError(
        f"no MLflow run {run_id!r}",
        rule=f"runs are kept at {settings.mlflow_url}",
        remedy="look at the experiments of its UI",
    )
