"""Run a pipeline on the runner the settings name: this machine, or a Kubeflow cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.config import Overrides
from voxloop.settings import get_settings, now

if TYPE_CHECKING:
    from voxloop.runners.result import RunResult


def run(pipeline: str, *, config: str = "local", out: Path | None = None, overrides: Overrides = ()) -> Path:
    """Run a pipeline and wait for its end. A rejected model is a verdict, not a failure: the exit code is 0.

    Args:
        pipeline: Name of the pipeline, such as `training`.
        config: Its arguments: `configs/pipelines/<pipeline>/<config>.yaml`; `--set` changes one.
        out: Folder of the run, where `result.json` says what came of it. By default one under the state folder.

    Raises:
        ConfigError: An argument the pipeline does not have, or of the wrong type.
        VoxloopError: A step failed; the message names it. Exit code 75 says that trying again can help.
    """
    from voxloop.runners.compile import read_arguments

    arguments = read_arguments(pipeline, config, overrides)
    folder = (out or _default_folder(pipeline, arguments)).absolute()
    run_arguments(pipeline, arguments, folder)
    return folder


def run_arguments(pipeline: str, arguments: dict[str, object], folder: Path) -> RunResult:
    """Run a pipeline with all of its arguments in a folder, which may hold an earlier try; raises as `run` does."""
    from voxloop.runners.compile import compile_pipeline
    from voxloop.runners.kfp_local import run_local
    from voxloop.runners.kubeflow import run_on_kubeflow

    package = compile_pipeline(pipeline, folder / "pipeline.yaml")
    runner = run_on_kubeflow if get_settings().runner == "kubeflow" else run_local
    result = runner(pipeline, package, arguments, folder)
    print(result.summary(), flush=True)
    print(f"result: {folder / 'result.json'}", flush=True)
    return result


def _default_folder(pipeline: str, arguments: dict[str, object]) -> Path:
    from voxloop.store.digests import digest_json

    stamp = f"{now():%Y%m%dT%H%M%SZ}-{digest_json(arguments)[:8]}"
    return get_settings().home / "runs" / f"{pipeline}-{stamp}"
