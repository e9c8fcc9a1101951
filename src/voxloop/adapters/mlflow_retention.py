"""All that MLflow holds, for retention and erasure: models with their aliases, runs, artifacts that may go, notes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from voxloop.adapters.mlflow import connect, read_status, translated
from voxloop.release.standing import RegisteredModel, TrackedRun
from voxloop.release.versions import ModelVersion

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from voxloop.settings import Settings

PAGE = 200
Item = TypeVar("Item")


class MlflowArchive:
    """The tracking server and registry at `settings.mlflow_url`, as `voxloop.release.standing.Archive`.

    Every method raises `ServiceUnavailableError` when the server does not answer.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's own client, imported on first use: it takes seconds."""
        return connect(self.settings)

    def list_models(self) -> list[RegisteredModel]:
        """Return every registered model with all of its versions, oldest first, and its aliases."""
        with translated(self.settings):
            models = list(
                _pages(lambda token: self.client.search_registered_models(max_results=PAGE, page_token=token))
            )
            return [self._read_model(model) for model in models]

    def list_runs(self) -> list[TrackedRun]:
        """Return every run of every experiment, those marked as deleted too."""
        from mlflow.entities import ViewType

        def ask(token: str | None) -> Any:
            return self.client.search_experiments(ViewType.ALL, max_results=PAGE, page_token=token)

        with translated(self.settings):
            return [run for experiment in _pages(ask) for run in self._list_runs(experiment)]

    def list_artifacts(self, run_id: str) -> dict[str, int]:
        """Return the bytes of every artifact of a run by its path; none for a run that is not there."""
        found: dict[str, int] = {}
        folders: list[str | None] = [None]
        with translated(self.settings):
            while folders:
                for item in self._list_folder(run_id, folders.pop()):
                    if item.is_dir:
                        folders.append(item.path)
                    else:
                        found[item.path] = int(item.file_size or 0)
        return found

    def read_artifact(self, run_id: str, path: str) -> bytes:
        """Return the content of one artifact."""
        with tempfile.TemporaryDirectory(prefix="voxloop-artifact-") as place, translated(self.settings):
            return Path(self.client.download_artifacts(run_id, path, place)).read_bytes()

    def delete_artifacts(self, run_id: str, paths: Collection[str]) -> None:
        """Delete artifacts of a run; those that are gone already are no error."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        with translated(self.settings):
            place = self.client.get_run(run_id).info.artifact_uri
            repository: Any = get_artifact_repository(place, tracking_uri=self.settings.mlflow_url)
            for path in paths:
                repository.delete_artifacts(path)

    def tag_run(self, run_id: str, name: str, value: str) -> None:
        """Tag a run. MLflow tags no deleted run: it is restored for the moment."""
        with translated(self.settings):
            deleted = self.client.get_run(run_id).info.lifecycle_stage == "deleted"
            if deleted:
                self.client.restore_run(run_id)
            self.client.set_tag(run_id, name, value)
            if deleted:
                self.client.delete_run(run_id)

    def tag_version(self, version: ModelVersion, name: str, value: str) -> None:
        """Tag a version."""
        with translated(self.settings):
            self.client.set_model_version_tag(version.task, str(version.number), name, value)

    def read_note(self, version: ModelVersion) -> str:
        """Return the description of a version; empty without one."""
        with translated(self.settings):
            return self.client.get_model_version(version.task, str(version.number)).description or ""

    def write_note(self, version: ModelVersion, note: str) -> None:
        """Replace the description of a version."""
        with translated(self.settings):
            self.client.update_model_version(version.task, str(version.number), note)

    def _read_model(self, model: Any) -> RegisteredModel:
        quoted = model.name.replace("'", "''")

        def ask(token: str | None) -> Any:
            return self.client.search_model_versions(f"name = '{quoted}'", max_results=PAGE, page_token=token)

        versions = [ModelVersion(one.name, int(one.version), one.run_id or "", dict(one.tags)) for one in _pages(ask)]
        aliases = {alias: int(number) for alias, number in model.aliases.items()}
        return RegisteredModel(model.name, tuple(sorted(versions, key=lambda version: version.number)), aliases)

    def _list_runs(self, experiment: Any) -> Iterator[TrackedRun]:
        from mlflow.entities import ViewType

        def ask(token: str | None) -> Any:
            return self.client.search_runs(
                [experiment.experiment_id], run_view_type=ViewType.ALL, max_results=PAGE, page_token=token
            )

        for run in _pages(ask):
            changed = (run.info.end_time or run.info.start_time or 0) / 1000
            yield TrackedRun(run.info.run_id, experiment.name, changed, dict(run.data.tags))

    def _list_folder(self, run_id: str, folder: str | None) -> list[Any]:
        from mlflow.exceptions import MlflowException

        try:
            return list(self.client.list_artifacts(run_id, folder))
        except MlflowException as absent:
            if read_status(absent) != 404:
                raise
            return []


def _pages(ask: Callable[[str | None], Any]) -> Iterator[Any]:
    """Yield what every page holds; a page names the next one by a token."""
    token: str | None = None
    while True:
        page = ask(token)
        yield from page
        if not (token := page.token):
            return
