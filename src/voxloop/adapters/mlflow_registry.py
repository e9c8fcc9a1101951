"""Model versions and aliases in MLflow's registry, and the model folder behind a version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from voxloop.adapters import mlflow_rest
from voxloop.adapters.mlflow import connect, read_status, translated
from voxloop.data.acceptance import KEPT_AS
from voxloop.errors import IntegrityError, RefusedError
from voxloop.release.versions import CHALLENGER, CHAMPION, ModelVersion
from voxloop.store.digests import digest_tree

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from voxloop.settings import Settings

Answer = TypeVar("Answer")
SIGNATURE_FOLDER, SIGNATURE_NAME = "signature", "model.sig"
"""Where a run keeps the signature of its model folder: beside it, for a folder does not hold its own."""


class MlflowRegistry:
    """The registry of the tracking server at `settings.mlflow_url`.

    Every method raises `ServiceUnavailableError` when the server does not answer.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's own client, imported when something is written or downloaded."""
        return connect(self.settings)

    def list_versions(self, task: str) -> list[ModelVersion]:
        """Return all versions of a task's model, oldest first; none when the task has no model yet."""
        return mlflow_rest.list_versions(self.settings, task)

    def find_alias(self, task: str, alias: str) -> ModelVersion | None:
        """Return the version that carries `alias`, asked by that very name."""
        return mlflow_rest.find_alias(self.settings, task, alias)

    def find_run_version(self, task: str, run_id: str) -> ModelVersion | None:
        """Return the version that was registered from a run."""
        return next((version for version in self.list_versions(task) if version.run_id == run_id), None)

    def read_run_tags(self, run_id: str) -> Mapping[str, str]:
        """Return the tags of a finished run.

        Raises:
            RefusedError: The run is not there or was cut short.
        """
        run = self._none_if_absent(lambda: self.client.get_run(run_id))
        if run is not None and (run.info.status, run.info.lifecycle_stage) == ("FINISHED", "active"):
            return dict(run.data.tags)
        raise RefusedError(
            f"MLflow has no finished run {run_id}", rule="a version is created from one", remedy="run `voxloop track`"
        )

    def create_version(self, task: str, run_id: str, tags: Mapping[str, str], note: str) -> ModelVersion:
        """Create a version from a run's model folder, tags and run id in the one call that makes it."""
        from mlflow.exceptions import MlflowException

        with translated(self.settings):
            try:
                self.client.create_registered_model(task)
            except MlflowException as exists:
                if exists.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            source = f"{self.client.get_run(run_id).info.artifact_uri}/model"
            made = self.client.create_model_version(
                task, source, run_id, tags=dict(tags), description=note, await_creation_for=0
            )
        return ModelVersion(task, int(made.version), run_id, dict(tags))

    def name_challenger(self, version: ModelVersion) -> None:
        """Give `version` the alias challenger, unless a newer one has it or it is past that."""
        rivals = [self.find_alias(version.task, alias) for alias in (CHALLENGER, CHAMPION)]
        if all(rival is None or rival.number < version.number for rival in rivals):
            self.set_alias(version, CHALLENGER)

    def download_model(self, version: ModelVersion, out: Path) -> Path:
        """Write the model folder of a version to `out` and verify it.

        Raises:
            IntegrityError: Its digest is not the one the version was registered with, or no file is left of it.
        """
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        with translated(self.settings):
            uri = self.client.get_model_version_download_uri(version.task, str(version.number))
            out.parent.mkdir(parents=True, exist_ok=True)
            try:
                got = download_artifacts(
                    artifact_uri=uri, dst_path=str(out.parent), tracking_uri=self.settings.mlflow_url
                )
            except MlflowException as missing:
                if read_status(missing) != 404:
                    raise
                raise IntegrityError(f"MLflow holds no files of {version}", remedy="register it again") from missing
        if Path(got) != out:
            Path(got).rename(out)
        return require_digest(out, version)

    def keep_signature(self, run_id: str, signature: Path) -> None:
        """Keep the signature of a run's model folder among the run's artifacts."""
        with translated(self.settings):
            self.client.log_artifact(run_id, str(signature), SIGNATURE_FOLDER)

    def has_signature(self, run_id: str) -> bool:
        """Return whether a run's model folder was signed."""
        with translated(self.settings):
            return bool(self.client.list_artifacts(run_id, SIGNATURE_FOLDER))

    def download_signature(self, version: ModelVersion, out: Path) -> Path:
        """Write the signature of a version's model folder under `out` and return its file.

        Raises:
            IntegrityError: The version was never signed.
        """
        if not self.has_signature(version.run_id):
            raise IntegrityError(
                f"{version} is not signed", rule="only signed models are loaded", remedy="register its run again"
            )
        return self.download_evidence(version, SIGNATURE_FOLDER, out) / SIGNATURE_NAME

    def download_report(self, version: ModelVersion, out: Path) -> None:
        """Write the JSON files of the data report behind a version to `out`; nothing where its run has none."""
        from mlflow.artifacts import download_artifacts

        out.mkdir(parents=True, exist_ok=True)
        with translated(self.settings):
            for file in self.client.list_artifacts(version.run_id, f"data/{KEPT_AS['validate']}"):
                if file.path.endswith(".json"):
                    download_artifacts(
                        run_id=version.run_id,
                        artifact_path=file.path,
                        dst_path=str(out),
                        tracking_uri=self.settings.mlflow_url,
                    )

    def download_evidence(self, version: ModelVersion, name: str, out: Path) -> Path:
        """Return the folder `name` of the run behind a version, such as its evaluation, written under `out`.

        Raises:
            IntegrityError: The run has no such folder any more.
        """
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        with translated(self.settings):
            try:
                got = download_artifacts(
                    run_id=version.run_id,
                    artifact_path=name,
                    dst_path=str(out),
                    tracking_uri=self.settings.mlflow_url,
                )
            except MlflowException as missing:
                if read_status(missing) != 404:
                    raise
                raise IntegrityError(
                    f"MLflow holds no {name} of {version}", remedy="nothing can be said of it"
                ) from None
        return Path(got)

    def set_alias(self, version: ModelVersion, alias: str) -> None:
        """Move `alias` to `version`."""
        with translated(self.settings):
            self.client.set_registered_model_alias(version.task, alias, str(version.number))

    def remove_alias(self, task: str, alias: str) -> None:
        """Take `alias` away; nothing happens when no version carries it."""
        with translated(self.settings):
            self.client.delete_registered_model_alias(task, alias)

    def set_tag(self, version: ModelVersion, name: str, value: str) -> None:
        """Tag a version."""
        with translated(self.settings):
            self.client.set_model_version_tag(version.task, str(version.number), name, value)

    def read_model_tag(self, task: str, name: str) -> str | None:
        """Return a tag of the registered model of a task; None where it has none."""
        return mlflow_rest.read_model_tags(self.settings, task).get(name)

    def set_model_tag(self, task: str, name: str, value: str) -> None:
        """Tag the registered model of a task."""
        with translated(self.settings):
            self.client.set_registered_model_tag(task, name, value)

    def _none_if_absent(self, ask: Callable[[], Answer]) -> Answer | None:
        from mlflow.exceptions import MlflowException

        with translated(self.settings):
            try:
                return ask()
            except MlflowException as absent:
                if absent.error_code not in mlflow_rest.ABSENT:
                    raise
                return None


def require_digest(model: Path, version: ModelVersion) -> Path:
    """Return `model` if its digest is the one `version` was registered with.

    Raises:
        IntegrityError: It is another, or the version carries none.
    """
    if (found := digest_tree(model)) != version.model_digest:
        raise IntegrityError(
            f"{version} was registered as {version.model_digest[:12] or 'nothing'}, MLflow holds {found[:12]}",
            rule="only the bytes that were judged are served",
            remedy="restore the artifacts of its run, or train and register again",
        )
    return model
