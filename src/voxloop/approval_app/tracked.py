"""What the server itself knows of runs, experiments and versions: asked of its stores, never of the request."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxloop.release.roles import OWNER
from voxloop.release.versions import CARD_DIGEST, ModelVersion


@dataclass(frozen=True)
class Owned:
    """A run or an experiment, and the account that made it; empty for one from before there were accounts."""

    name: str
    owner: str
    tags: Mapping[str, str]
    experiment: str
    versions: tuple[str, ...] = ()
    """The versions that were registered from a run."""


class Tracked:
    """The stores behind the server. What is not there raises MLflow's own exception, which is answered as it is."""

    def find_experiment(self, experiment_id: str) -> Owned:
        """Return an experiment."""
        tags = dict(self._runs().get_experiment(experiment_id).tags)
        return Owned(f"experiment {experiment_id}", tags.get(OWNER, ""), tags, experiment_id)

    def find_run(self, run_id: str) -> Owned:
        """Return a run, deleted or not, with the versions registered from it."""
        run = self._runs().get_run(run_id)
        tags = dict(run.data.tags)
        versions = self._models().search_model_versions(f"run_id = '{run.info.run_id}'", max_results=10)
        named = tuple(f"{one.name} version {one.version}" for one in versions)
        return Owned(f"run {run_id}", tags.get(OWNER, ""), tags, str(run.info.experiment_id), named)

    def find_version(self, name: str, number: str) -> ModelVersion:
        """Return a version with the tags it has now."""
        found = self._models().get_model_version(name, number)
        return ModelVersion(str(found.name), int(found.version), found.run_id or "", dict(found.tags))

    def find_carded(self, digest: str) -> list[ModelVersion]:
        """Return the versions that name a model card by this digest, of 64 hex digits."""
        found = self._models().search_model_versions(f"tag.`{CARD_DIGEST}` = '{digest}'", max_results=10)
        return [ModelVersion(str(one.name), int(one.version), one.run_id or "", dict(one.tags)) for one in found]

    def read_artifact(self, run_id: str, path: str) -> bytes:
        """Return an artifact of a run as it is now; nothing where there is none."""
        from mlflow.exceptions import MlflowException
        from mlflow.server import handlers

        inner: Any = handlers  # as its own route `get-artifact` does
        root = self._runs().get_run(run_id).info.artifact_uri
        if inner._is_servable_proxied_run_artifact_root(root):  # noqa: SLF001
            repository = inner._get_artifact_repo_mlflow_artifacts()  # noqa: SLF001
            path = inner._get_proxied_run_artifact_destination_path(root, path)  # noqa: SLF001
        else:
            repository = inner._get_artifact_repository_for_uri(root)  # noqa: SLF001
        with tempfile.TemporaryDirectory(prefix="voxloop-report-") as place:
            try:
                return Path(repository.download_artifacts(path, dst_path=place)).read_bytes()
            except (MlflowException, OSError):
                return b""

    def tag_version(self, version: ModelVersion, key: str, value: str) -> None:
        """Tag a version, past the guard."""
        from mlflow.entities import model_registry

        entities: Any = model_registry
        self._models().set_model_version_tag(version.task, str(version.number), entities.ModelVersionTag(key, value))

    def untag_version(self, version: ModelVersion, key: str) -> None:
        """Take a tag of a version away, past the guard; nothing happens when it is not there."""
        self._models().delete_model_version_tag(version.task, str(version.number), key)

    def _runs(self) -> Any:
        from mlflow.server import handlers

        return handlers._get_tracking_store()  # noqa: SLF001 - the one the routes use

    def _models(self) -> Any:
        from mlflow.server import handlers

        return handlers._get_model_registry_store()  # noqa: SLF001 - the one the routes use
