"""A platform for the self-test alone: what `voxloop run training` needs, in a folder that is thrown away."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxloop.selftest.night import Night, Standing

if TYPE_CHECKING:
    from voxloop.adapters.mlflow_registry import MlflowRegistry
    from voxloop.selftest.config import SelfTestConfig
    from voxloop.selftest.trial import Outcome
    from voxloop.settings import Settings


def send_through(task: str, seed: int, config: SelfTestConfig, folder: Path) -> list[Outcome]:
    """Send one fault of a family through the whole pipeline, on a platform under `folder`.

    Raises:
        RefusedError: The checkout has changes: such a tree registers nothing, and nothing could be turned away.
        ServiceUnavailableError: MLflow does not start.
        VoxloopError: The fault cannot be made.
    """
    from voxloop.selftest.night import try_pipeline

    place = folder / "fault"
    place.mkdir(parents=True)
    with open_platform(task, folder / "home") as platform:
        return try_pipeline(task, seed, config, platform, place)


@contextmanager
def open_platform(task: str, home: Path) -> Iterator[OwnPlatform]:
    """Run an MLflow of its own in `home` until the block ends; raises as `send_through`."""
    from voxloop.adapters.mlflow_registry import MlflowRegistry
    from voxloop.adapters.mlflow_server import find_free_port, running_server
    from voxloop.settings import get_settings, isolated_settings
    from voxloop.store.revision import require_clean

    require_clean(get_settings().project_root)
    settings = isolated_settings(home, mlflow=find_free_port(get_settings().host))
    with running_server(settings):
        yield OwnPlatform(task, settings, MlflowRegistry(settings))


@dataclass(frozen=True)
class OwnPlatform:
    """The pipeline by `voxloop run`, and the registry and job store it works with.

    Args:
        task: Family.
        settings: Of nobody else's platform.
        registry: Of these settings.
    """

    task: str
    settings: Settings
    registry: MlflowRegistry

    def run(self, name: str, arguments: Mapping[str, object]) -> Night:
        """Run the pipeline `training` in a process of its own, as the nightly run does."""
        from voxloop.settings import environment_of

        out = self.settings.home / "runs" / name
        # JSON is YAML: text that looks like a number or a list stays text.
        sets = [part for key, value in arguments.items() for part in ("--set", f"{key}={json.dumps(value)}")]
        command = [sys.executable, "-m", "voxloop", "run", "training", "--config", "local", "--out", str(out), *sets]
        with subprocess.Popen(command, env=environment_of(self.settings)) as process:
            try:
                code = process.wait()
            except BaseException:
                process.terminate()  # it takes its own children along
                raise
        return self._read_night(out, code)

    def appoint(self, version: int) -> None:
        """Move the alias champion to a version, as a promotion does in the end."""
        from voxloop.release.versions import CHALLENGER, CHAMPION

        chosen = next(one for one in self.registry.list_versions(self.task) if one.number == version)
        self.registry.set_alias(chosen, CHAMPION)
        self.registry.remove_alias(self.task, CHALLENGER)

    def read_standing(self) -> Standing:
        """Return the versions in the registry and who has which alias."""
        from voxloop.release.versions import CHALLENGER, CHAMPION

        holders = [self.registry.find_alias(self.task, alias) for alias in (CHALLENGER, CHAMPION)]
        challenger, champion = (None if one is None else one.number for one in holders)
        return Standing(tuple(one.number for one in self.registry.list_versions(self.task)), challenger, champion)

    def replace_export(self, exported: Path, model: Path) -> None:
        """Put a model into the job store in the place of the one exported, sealed as if it had been exported."""
        from voxloop.errors import IntegrityError
        from voxloop.store.atomic import remove_tree, write_file
        from voxloop.store.digests import RECORD_NAME, canonical_json, list_files
        from voxloop.store.job_store import JobStore, read_record, read_runner_key

        if (record := read_record(exported)) is None:
            raise IntegrityError(f"{exported} has no record", rule="a step leaves one", remedy="look into its run")
        store = JobStore(self.settings.store, read_runner_key(self.settings.runner_key_file))
        planted = replace(record, outputs=list_files(model)).sealed(store.secret)
        write_file(model / RECORD_NAME, canonical_json(asdict(planted)))
        remove_tree(store.root / record.step / record.key)
        store.keep(planted, model)

    def _read_night(self, out: Path, code: int) -> Night:
        from voxloop.evaluation.judgement import Judgement
        from voxloop.evaluation.report import read_json_record
        from voxloop.release.versions import VERDICT
        from voxloop.store.plain_files import read_json_object

        if not (out / "result.json").is_file():
            return Night(error=f"voxloop run training ended with exit code {code} and no result")
        result = read_json_object(out / "result.json")
        folders = {step: Path(made["out"]) for step, made in result["folders"].items() if "out" in made}
        judged = read_json_record(Judgement, folders["gate"] / "verdict.json") if "gate" in folders else None
        tags = self.registry.read_run_tags(result["run_id"]) if result["run_id"] else {}
        return Night(
            error=_describe_error(result, code),
            data_verdict=result["data_verdict"],
            judgement=judged,
            has_registered="register" in folders,
            version=result["version"],
            recorded=tags.get(VERDICT, ""),
            folders=folders,
        )


def _describe_error(result: Mapping[str, Any], code: int) -> str:
    if result["error"]:
        return str(result["error"]["problem"])
    return f"voxloop run training ended with exit code {code}" if code else ""
