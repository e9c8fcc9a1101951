"""What one step of a local run was called with, read again from the compiled package and from what the run left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxloop.errors import InputError
from voxloop.runners.kfp_package import LocalStep, Package

_FUNCTION = "--function_to_execute"


@dataclass(frozen=True)
class RecordedStep:
    """One step with its values.

    Args:
        name: Its name in the pipeline.
        function: The component's function: the name of its job.
        values: Parameters by name; of an artifact the folder it was in.
        outputs: The folders it wrote, by output; empty when it did not come to its end.
    """

    name: str
    function: str
    values: Mapping[str, Any]
    outputs: Mapping[str, Path]


def find_step(
    package: Package, steps: Mapping[str, LocalStep], arguments: Mapping[str, Any], name: str
) -> RecordedStep:
    """Return one step with the values it was called with.

    Args:
        package: The compiled pipeline.
        steps: What the run left, as `read_steps` gives it.
        arguments: What the pipeline was run with.
        name: The step.

    Raises:
        InputError: There is no such step, or one it reads from did not run.
    """
    if name not in steps:
        raise InputError(
            f"no step {name!r} in this run", rule=f"its steps are {', '.join(sorted(steps))}", remedy="name one of them"
        )
    known = _defaults(package["root"]) | dict(arguments)
    found = next(call for call in _walk(package, package["root"], steps, known) if call[0] == name)
    _, component, values = found
    if missing := sorted(str(value) for value in values.values() if isinstance(value, _Missing)):
        raise InputError(
            f"{name} did not get all it reads: {', '.join(missing)} did not run",
            rule="a step is done again from what it was done from",
            remedy=f"name one of {', '.join(sorted(step for step, left in steps.items() if left.finished))}",
        )
    arguments_line = package["deploymentSpec"]["executors"][component["executorLabel"]]["container"]["args"]
    function = str(arguments_line[arguments_line.index(_FUNCTION) + 1])
    return RecordedStep(name, function, values, steps[name].artifacts)


class _Missing:
    """A value that a step did not give."""

    def __init__(self, step: str) -> None:
        self.step = step

    def __str__(self) -> str:
        return self.step


def _walk(
    package: Package, component: Package, steps: Mapping[str, LocalStep], known: Mapping[str, Any]
) -> Iterator[tuple[str, Package, dict[str, Any]]]:
    """Yield every step with its component and its values; `known` is what the enclosing graph was given."""
    for name, task in component["dag"]["tasks"].items():
        inner = package["components"][task["componentRef"]["name"]]
        values = _defaults(inner) | _resolve(task.get("inputs", {}), steps, known)
        if "dag" in inner:
            yield from _walk(package, inner, steps, values)
        else:
            yield name, inner, values


def _defaults(component: Package) -> dict[str, Any]:
    parameters = component.get("inputDefinitions", {}).get("parameters", {})
    return {name: spec["defaultValue"] for name, spec in parameters.items() if "defaultValue" in spec}


def _resolve(inputs: Package, steps: Mapping[str, LocalStep], known: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: _parameter(source, steps, known) for name, source in inputs.get("parameters", {}).items()}
    return values | {name: _artifact(source, steps, known) for name, source in inputs.get("artifacts", {}).items()}


def _parameter(source: Package, steps: Mapping[str, LocalStep], known: Mapping[str, Any]) -> Any:
    if "runtimeValue" in source:
        return source["runtimeValue"]["constant"]
    if "componentInputParameter" in source:
        return known[source["componentInputParameter"]]
    origin = source["taskOutputParameter"]
    producer = origin["producerTask"]
    return steps[producer].values.get(origin["outputParameterKey"], _Missing(producer))


def _artifact(source: Package, steps: Mapping[str, LocalStep], known: Mapping[str, Any]) -> Any:
    if "componentInputArtifact" in source:
        return known[source["componentInputArtifact"]]
    origin = source["taskOutputArtifact"]
    producer = origin["producerTask"]
    return steps[producer].artifacts.get(origin["outputArtifactKey"], _Missing(producer))
