"""A registry and tracking server in memory, with what erasure and retention ask of the real one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from voxloop.errors import ServiceUnavailableError
from voxloop.release.standing import RegisteredModel, TrackedRun
from voxloop.release.versions import (
    DATA_DIGEST,
    EVIDENCE,
    JUDGED_AGAINST,
    MODEL_DIGEST,
    NO_CHAMPION,
    VERDICT,
    ModelVersion,
)


def make_version(
    number: int, tags: Mapping[str, str] | None = None, *, task: str = "emotion", run_id: str | None = None
) -> ModelVersion:
    """Return a version that passed its gate; its model digest is its number sixteen times over."""
    plain = {
        MODEL_DIGEST: f"{number:04x}" * 16,
        DATA_DIGEST: "",
        VERDICT: "PASS",
        JUDGED_AGAINST: NO_CHAMPION,
    }
    return ModelVersion(task, number, f"run{number}" if run_id is None else run_id, {**plain, **(tags or {})})


@dataclass
class MemoryArchive:
    """Everything by name; `silent` makes it a server that does not answer."""

    models: dict[str, RegisteredModel] = field(default_factory=dict)
    runs: dict[str, TrackedRun] = field(default_factory=dict)
    artifacts: dict[str, dict[str, bytes]] = field(default_factory=dict)
    notes: dict[tuple[str, int], str] = field(default_factory=dict)
    silent: bool = False
    writes: int = 0

    def add(self, version: ModelVersion, artifacts: Mapping[str, bytes] | None = None, *, changed: float = 0.0) -> None:
        """Register a version together with its run."""
        model = self.models.get(version.task, RegisteredModel(version.task, (), {}))
        self.models[version.task] = replace(model, versions=(*model.versions, version))
        self.add_run(version.run_id, artifacts, changed=changed, experiment=version.task)

    def add_run(
        self,
        run_id: str,
        artifacts: Mapping[str, bytes] | None = None,
        *,
        changed: float = 0.0,
        experiment: str = "emotion",
    ) -> None:
        """Track a run."""
        self.runs[run_id] = TrackedRun(run_id, experiment, changed, {EVIDENCE: run_id})
        self.artifacts[run_id] = dict(artifacts or {})

    def set_aliases(self, task: str, **aliases: int) -> None:
        """Replace the aliases of a model."""
        self.models[task] = replace(self.models[task], aliases=aliases)

    def list_models(self) -> list[RegisteredModel]:
        self._answer()
        return list(self.models.values())

    def list_runs(self) -> list[TrackedRun]:
        self._answer()
        return list(self.runs.values())

    def list_artifacts(self, run_id: str) -> dict[str, int]:
        self._answer()
        return {path: len(content) for path, content in self.artifacts.get(run_id, {}).items()}

    def read_artifact(self, run_id: str, path: str) -> bytes:
        self._answer()
        return self.artifacts[run_id][path]

    def delete_artifacts(self, run_id: str, paths: Collection[str]) -> None:
        self._write()
        for path in paths:
            self.artifacts[run_id].pop(path, None)

    def tag_run(self, run_id: str, name: str, value: str) -> None:
        self._write()
        run = self.runs[run_id]
        self.runs[run_id] = replace(run, tags={**run.tags, name: value})

    def tag_version(self, version: ModelVersion, name: str, value: str) -> None:
        self._write()
        model = self.models[version.task]
        changed = tuple(
            replace(one, tags={**one.tags, name: value}) if one.number == version.number else one
            for one in model.versions
        )
        self.models[version.task] = replace(model, versions=changed)

    def read_note(self, version: ModelVersion) -> str:
        self._answer()
        return self.notes.get((version.task, version.number), "")

    def write_note(self, version: ModelVersion, note: str) -> None:
        self._write()
        self.notes[version.task, version.number] = note

    def _write(self) -> None:
        self._answer()
        self.writes += 1

    def _answer(self) -> None:
        if self.silent:
            raise ServiceUnavailableError("MLflow does not answer", remedy="voxloop up")
