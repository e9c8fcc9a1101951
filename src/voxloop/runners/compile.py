"""The pipelines that stand beside the package, found through the settings and compiled for any runner."""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import create_model, model_validator

from voxloop.config import StrictModel, find_config, load_config, read_mapping, resolved
from voxloop.errors import InputError
from voxloop.settings import get_settings


class _Arguments(StrictModel):
    """What every pipeline's arguments are: a moment that YAML has read as one is spelt again, in ISO 8601."""

    @model_validator(mode="before")
    @classmethod
    def _spell_moments(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {key: one.isoformat() if isinstance(one, datetime) else one for key, one in values.items()}


def compile_pipelines(out: Path = Path("build/pipelines")) -> list[Path]:
    """Write every pipeline as the package Kubeflow takes, IR YAML.

    Args:
        out: Folder that gets one `<pipeline>.yaml` each.
    """
    packages: list[Path] = _pipelines().compile_all(out)
    for package in packages:
        print(f"compiled {package}", flush=True)
    return packages


def compile_pipeline(pipeline: str, package: Path) -> Path:
    """Write one pipeline as IR YAML to `package`.

    Raises:
        InputError: There is no such pipeline.
    """
    find_pipeline(pipeline)
    written: Path = _pipelines().compile_pipeline(pipeline, package)
    return written


def find_pipeline(pipeline: str) -> Any:
    """Return the `dsl.pipeline` of that name.

    Raises:
        InputError: There is none; the message lists those there are.
    """
    known: Mapping[str, Any] = _pipelines().PIPELINES
    if pipeline not in known:
        raise InputError(
            f"no pipeline {pipeline!r}", rule=f"the pipelines are {', '.join(known)}", remedy="name one of them"
        )
    return known[pipeline]


def read_arguments(pipeline: str, config: str, overrides: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the arguments of a pipeline from `configs/pipelines/<pipeline>/<config>.yaml`.

    What `configs/pipelines/<pipeline>/<config>/<task>.yaml` says, where there is such a file, goes before it for that
    task family; `overrides` go before both.

    Raises:
        InputError: There is no such pipeline.
        ConfigError: A key the pipeline's signature does not have, one it lacks, a value of the wrong type, or a
            file without keys.
    """
    model, path = arguments_model(pipeline), find_config("pipelines", pipeline, config)
    arguments = resolved(load_config(model, path, overrides))
    of_task = path.with_suffix("") / f"{arguments.get('task')}.yaml"
    return resolved(load_config(model, path, (*_read_changes(of_task), *overrides))) if of_task.is_file() else arguments


def _read_changes(path: Path) -> list[str]:
    """Return a file of some of the arguments as overrides: JSON is YAML."""
    return [f"{key}={json.dumps(value)}" for key, value in read_mapping(path).items()]


def arguments_model(pipeline: str) -> type[StrictModel]:
    """Return the strict model of a pipeline's signature: each argument without a default required, none besides."""
    signature = inspect.signature(find_pipeline(pipeline).pipeline_func)
    fields: dict[str, Any] = {
        name: (argument.annotation, ... if argument.default is argument.empty else argument.default)
        for name, argument in signature.parameters.items()
    }
    return create_model(f"{pipeline}_arguments", __base__=_Arguments, **fields)


def _pipelines() -> ModuleType:
    root = str(get_settings().project_root)
    if root not in sys.path:
        sys.path.insert(0, root)
    return importlib.import_module("pipelines.compile")
