"""A checkout of its own for a simulated platform: the code as it is committed, and a few values of its configuration.

The platform reads its policies from the files that every platform reads, and registers models from a commit that names
them: so the simulation's values are a commit of its own on top of the project's.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from voxloop.config import merge_overrides, read_mapping
from voxloop.data.leakage import LeakageConfig
from voxloop.errors import VoxloopError
from voxloop.evaluation.policy import GatePolicy
from voxloop.gateway.config import GatewayConfig
from voxloop.local.simulation.config import PlatformConfig
from voxloop.monitoring.drift.policy import DriftPolicy
from voxloop.store.atomic import write_file
from voxloop.store.revision import GIT, require_clean

ARGUMENTS = "simulation"
"""Name of the pipeline's arguments: `configs/pipelines/training/simulation.yaml` of that checkout."""
WHO = ("-c", "user.name=voxloop simulation", "-c", "user.email=simulation@localhost")


def make_checkout(project: Path, place: Path, task: str, config: PlatformConfig, corpus: Path) -> Path:
    """Make the checkout anew, and return it.

    Args:
        project: The project: a git checkout without changes.
        place: Of the new one.
        task: Family.
        config: What differs.
        corpus: Folder that trainings read.

    Raises:
        RefusedError: The project has uncommitted changes, of which no model may be registered.
        VoxloopError: git refused.
    """
    require_clean(project)
    if place.exists():
        shutil.rmtree(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    _git(place.parent, "clone", "--quiet", "--depth", "1", project.resolve().as_uri(), str(place))
    configs = place / "configs"
    _change(configs / "drift" / f"{task}.yaml", DriftPolicy, config.drift)
    _change(configs / "gates" / f"{task}.yaml", GatePolicy, config.gate)
    _change(configs / "leakage" / f"{task}.yaml", LeakageConfig, config.leakage)
    _change(configs / "gateway.yaml", GatewayConfig, config.gateway)
    training = configs / "pipelines" / "training"
    arguments: dict[str, Any] = {**read_mapping(training / "local.yaml"), **config.arguments}
    _write(training / f"{ARGUMENTS}.yaml", {**arguments, "corpus_path": str(corpus.absolute())})
    _git(place, "add", "--all")
    _git(place, *WHO, "commit", "--quiet", "--no-verify", "--message", "The configuration of a simulated platform")
    return place


def _change(path: Path, model: Any, overrides: Sequence[str]) -> None:
    _write(path, merge_overrides(model, read_mapping(path), overrides, origin=path.name))


def _write(path: Path, values: dict[str, Any]) -> None:
    write_file(path, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def _git(place: Path, *arguments: str) -> None:
    done = subprocess.run([*GIT, "-C", str(place), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise VoxloopError(f"git {arguments[0]} failed: {done.stderr.strip()[:300]}", remedy="see what git says there")
