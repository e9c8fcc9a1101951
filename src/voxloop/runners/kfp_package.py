"""A compiled pipeline package as kfp.local needs it, and what the steps of one local run left on disk.

kfp.local 2.16.1 never enters a `dsl.If`: its evaluator puts the value *inside* the quotes of
`inputs.parameter_values['…']`, the expression no longer parses, a warning is logged and the run ends SUCCESS
(kubeflow/pipelines#13313). It does evaluate a bare channel name, so conditions are respelled for it, and after each
run every branch is held against the values the steps really wrote.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from voxloop.errors import IntegrityError, VoxloopError

Package = dict[str, Any]

_CONDITION = re.compile(r"inputs\.parameter_values\['(?P<channel>pipelinechannel--[\w-]+)'\]\s*==\s*'(?P<value>\w+)'")
_OUTPUT_FILE = "executor_output.json"


@dataclass(frozen=True)
class Branch:
    """One `dsl.If`: it is entered when output `output` of `producer` is `value`."""

    producer: str
    output: str
    value: str


@dataclass(frozen=True)
class LocalStep:
    """A step of a pipeline and what it left in its folder.

    Args:
        name: Its name, unique in the pipeline.
        folder: Where kfp.local runs it.
        branches: The conditions it stands under, outermost first.
        finished: Whether it ran to its end.
        values: Its output parameters.
        artifacts: The folders it wrote, by output.
    """

    name: str
    folder: Path
    branches: tuple[Branch, ...] = ()
    finished: bool = False
    values: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, Path] = field(default_factory=dict)


def read_package(path: Path) -> Package:
    """Read a compiled pipeline."""
    package: Package = yaml.safe_load(path.read_text(encoding="utf-8"))
    return package


def respell_conditions(package: Package) -> str:
    """Return the package as YAML with every condition spelt so that kfp.local evaluates it.

    Raises:
        VoxloopError: A condition is more than one string output compared with one word.
    """
    copy: Package = yaml.safe_load(yaml.safe_dump(package))
    for tasks in _dags(copy):
        for name, task in tasks.items():
            if condition := task.get("triggerPolicy", {}).get("condition"):
                found = _parse_condition(name, condition)
                task["triggerPolicy"]["condition"] = f"{found['channel']} == '{found['value']}'"
    text: str = yaml.safe_dump(copy)
    return text


def read_steps(package: Package, run: Path) -> dict[str, LocalStep]:
    """Return every step of the package with what it wrote under `run`, kfp.local's folder of one run."""
    return {step.name: _read_step(step) for step in _walk(package, package["root"], run, ())}


def check_branches(steps: dict[str, LocalStep]) -> None:
    """Hold what ran against what the steps' own outputs say should have run.

    Raises:
        IntegrityError: A branch was left out though its condition held, or entered though it did not.
    """
    for step in steps.values():
        due = all(steps[branch.producer].values.get(branch.output) == branch.value for branch in step.branches)
        if due != step.finished:
            raise IntegrityError(
                f"step {step.name} {'did not run' if due else 'ran'}",
                rule=f"its conditions {'hold' if due else 'do not hold'}: {list(step.branches)}",
                remedy="look into kfp.log; kfp.local evaluates conditions differently than it was tested with",
            )


def _walk(package: Package, component: Package, folder: Path, branches: tuple[Branch, ...]) -> Iterator[LocalStep]:
    for name, task in component["dag"]["tasks"].items():
        target = task["componentRef"]["name"]
        inner = package["components"][target]
        if "dag" in inner:
            yield from _walk(package, inner, folder / name, (*branches, *_branch_of(name, task)))
        else:
            yield LocalStep(name, folder / target.removeprefix("comp-"), branches)


def _branch_of(name: str, task: Package) -> Iterator[Branch]:
    if condition := task.get("triggerPolicy", {}).get("condition"):
        found = _parse_condition(name, condition)
        origin = task["inputs"]["parameters"][found["channel"]]["taskOutputParameter"]
        yield Branch(origin["producerTask"], origin["outputParameterKey"], found["value"])


def _parse_condition(name: str, condition: str) -> dict[str, str]:
    if not (found := _CONDITION.fullmatch(condition.strip())):
        raise VoxloopError(
            f"{name} has the condition {condition!r}",
            rule="a local run knows `one string output == 'WORD'`",
            remedy="let a step say the word",
        )
    return found.groupdict()


def _read_step(step: LocalStep) -> LocalStep:
    path = step.folder / _OUTPUT_FILE
    if not path.is_file():
        return step
    written = json.loads(path.read_text(encoding="utf-8"))
    artifacts = {key: Path(found["artifacts"][0]["uri"]) for key, found in written.get("artifacts", {}).items()}
    return LocalStep(step.name, step.folder, step.branches, True, written.get("parameterValues", {}), artifacts)


def _dags(package: Package) -> Iterator[Package]:
    for component in (package["root"], *package["components"].values()):
        if "dag" in component:
            yield component["dag"]["tasks"]
