"""Every pipeline as the package Kubeflow takes: IR YAML."""

from pathlib import Path

from kfp.compiler import Compiler
from kfp.dsl.graph_component import GraphComponent

from pipelines.training import training

PIPELINES: dict[str, GraphComponent] = {"training": training}


def compile_pipeline(name: str, package: Path) -> Path:
    """Write one pipeline as IR YAML to `package`."""
    package.parent.mkdir(parents=True, exist_ok=True)
    Compiler().compile(PIPELINES[name], str(package))
    return package


def compile_all(out: Path) -> list[Path]:
    """Write `<name>.yaml` of every pipeline into the folder `out`."""
    return [compile_pipeline(name, out / f"{name}.yaml") for name in PIPELINES]
