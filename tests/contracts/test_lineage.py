"""dvc.yaml depends on the code its stages use: all of it, and on nothing beside."""

from __future__ import annotations

import shlex
from functools import lru_cache
from pathlib import Path
from typing import Any

import grimp
import pytest
import yaml

from voxloop.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
BY_NAME = {"voxloop.data.corpora", "voxloop.tasks"}
"""Packages whose modules are imported by a name that is only known when it is asked for."""
JOBS = {command.name: command.function.partition(":")[0] for command in COMMANDS}


@lru_cache(maxsize=1)
def build_graph() -> grimp.ImportGraph:
    return grimp.build_graph("voxloop")


def follow_imports(module: str) -> set[str]:
    """Return a module and all it imports, also inside functions, also by name."""
    graph = build_graph()
    found: set[str] = set()
    waiting = {module}
    while waiting:
        one = waiting.pop()
        found.add(one)
        nexts = set(graph.find_modules_directly_imported_by(one))
        if one in BY_NAME:
            nexts |= set(graph.find_children(one))
        waiting |= nexts - found
    return found


def file_of(module: str) -> Path:
    path = ROOT / "src" / Path(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def code_of(stage: str) -> list[Path]:
    return [ROOT / dep for dep in STAGES[stage]["deps"] if dep.startswith("src/")]


def job_of(stage: str) -> str:
    program, command, *_ = shlex.split(STAGES[stage]["cmd"])
    assert program == "voxloop"
    return JOBS[command]


def test_the_lineage_goes_from_ingest_to_evaluate() -> None:
    assert list(STAGES) == ["ingest", "validate", "leakage", "poison", "features", "train", "export", "evaluate"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_all_the_code_its_job_uses(stage: str) -> None:
    used = {file_of(module) for module in follow_imports(job_of(stage))}
    assert file_of(job_of(stage)) in used
    missing = [path for path in used if not any(path.is_relative_to(dep) for dep in code_of(stage))]
    assert sorted(path.relative_to(ROOT).as_posix() for path in missing) == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_no_code_its_job_does_not_use(stage: str) -> None:
    used = {file_of(module) for module in follow_imports(job_of(stage))}
    idle = [dep for dep in code_of(stage) if not any(path.is_relative_to(dep) for path in used)]
    assert sorted(path.relative_to(ROOT).as_posix() for path in idle) == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_does_not_depend_on_the_whole_package(stage: str) -> None:
    assert ROOT / "src" / "voxloop" not in code_of(stage)
    assert all(dep.exists() for dep in code_of(stage))


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_command_reads_is_a_dependency_and_what_it_writes_an_out(stage: str) -> None:
    words = [word for word in shlex.split(STAGES[stage]["cmd"]) if word.startswith(("data/", "configs/"))]
    named = {*STAGES[stage]["deps"], *STAGES[stage]["outs"]}
    assert words
    assert [word for word in words if word not in named] == []
    made = {out for one in STAGES.values() for out in one["outs"]}
    assert [dep for dep in STAGES[stage]["deps"] if dep.startswith("data/") and dep not in made] == []


def test_no_credential_stands_in_the_shared_configuration() -> None:
    text = (ROOT / ".dvc" / "config").read_text(encoding="utf-8")
    assert "analytics = false" in text
    settings = [line.split("=")[0].strip() for line in text.splitlines() if "=" in line and not line.startswith("#")]
    assert sorted(settings) == ["analytics", "check_update", "remote", "url"]
