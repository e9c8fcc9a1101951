"""One signature, five spellings: jobs, components, pipeline arguments, MLproject and dvc.yaml agree."""

from __future__ import annotations

import importlib
import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml

from voxloop import __version__
from voxloop.cli import ACTS, COMMANDS, STEPS, build_app, take_overrides
from voxloop.config import find_config, load_config
from voxloop.data.corpora import find_corpus
from voxloop.runners.compile import compile_pipelines, find_pipeline, read_arguments
from voxloop.tasks import get_task, task_names

ROOT = Path(__file__).resolve().parents[2]
COMPONENTS = sorted(path.stem for path in (ROOT / "components").glob("*.py") if path.stem not in {"__init__", "images"})
ARGUMENTS = sorted((ROOT / "configs" / "pipelines").glob("*/*.yaml"))
OF_FAMILIES = sorted((ROOT / "configs" / "pipelines").glob("*/*/*.yaml"))
# A pipeline names its gate policy; it cannot soften one. It trains afresh.
# Frozen sets are the platform's own, and a retraining has no evaluation set that gave its reason yet.
LEFT_OUT = {
    "evaluate": {"sets"},
    "gate": {"overrides", "replay"},
    "leakage": {"sets"},
    "train": {"start"},
}


def find_job(name: str) -> Any:
    return getattr(importlib.import_module(f"voxloop.jobs.{name}"), name)


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_component_has_its_jobs_parameters(name: str) -> None:
    component = inspect.signature(getattr(importlib.import_module(f"components.{name}"), name).python_func).parameters
    job = inspect.signature(find_job(name)).parameters
    assert set(job) - set(component) == LEFT_OUT.get(name, set())
    assert set(component) <= set(job)


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_component_has_its_jobs_types(name: str) -> None:
    component = inspect.signature(getattr(importlib.import_module(f"components.{name}"), name).python_func)
    job = get_type_hints(find_job(name))
    plain = {str: (str, Path | None), bool: (bool,), int: (int,), list[str]: (tuple[str, ...],)}
    for key, parameter in component.parameters.items():
        assert job[key] in plain.get(parameter.annotation, (Path, Path | None)), key
    assert (component.return_annotation is str) == (job["return"] is str)


def test_every_pipeline_has_arguments_for_every_place() -> None:
    assert {path.parent.name for path in ARGUMENTS} == set(_packages())
    for name in _packages():
        assert {path.stem for path in ARGUMENTS if path.parent.name == name} == {"local", "dev", "prod"}


@pytest.mark.parametrize("path", ARGUMENTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_file_of_arguments_is_bound_to_its_pipeline(path: Path) -> None:
    signature = inspect.signature(find_pipeline(path.parent.name).pipeline_func)
    assert set(read_arguments(path.parent.name, path.stem)) == set(signature.parameters)


@pytest.mark.parametrize("task", task_names())
@pytest.mark.parametrize("path", ARGUMENTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_a_file_of_arguments_names_is_there_for_every_family(path: Path, task: str) -> None:
    arguments = read_arguments(path.parent.name, path.stem, (f"task={task}",))
    assert arguments["task"] == task
    load_config(get_task(task).Config, find_config("tasks", task, arguments["config"]), arguments["overrides"])
    corpus = find_corpus(arguments["corpus"]).config_model
    load_config(corpus, find_config("corpora", arguments["corpus"]), arguments["corpus_overrides"])
    find_config("poison", arguments["poison_policy"] or task)
    find_config("gates", arguments["policy"] or task)


def test_what_a_family_needs_goes_before_the_file_and_what_is_asked_before_both() -> None:
    common, own = read_arguments("training", "local"), read_arguments("training", "local", ("task=personality",))
    assert {key for key in common if common[key] != own[key]} == {"task", "config", "corpus_overrides"}
    asked = read_arguments("training", "local", ("task=personality", "config=base"))
    assert asked == own | {"config": "base"}


@pytest.mark.parametrize("path", OF_FAMILIES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_file_for_a_family_changes_arguments_of_a_file_there_is(path: Path) -> None:
    assert path.parent.with_suffix(".yaml") in ARGUMENTS
    assert path.stem in task_names()
    assert set(yaml.safe_load(path.read_text())) < set(read_arguments(path.parents[1].name, path.parent.name)) - {
        "task"
    }


def test_no_compiled_task_is_cached(tmp_path: Path) -> None:
    """The job store is the only cache. `enableCache` is left out of the IR when it is false."""
    for package in compile_pipelines(tmp_path):
        tasks = dict(_tasks(yaml.safe_load(package.read_text())))
        assert set(tasks) == {name.replace("_", "-") for name in COMPONENTS}
        assert all(task["cachingOptions"] == {} for task in tasks.values())


def test_no_compiled_step_installs_anything_and_all_run_the_image_of_this_version(tmp_path: Path) -> None:
    for package in compile_pipelines(tmp_path):
        executors = yaml.safe_load(package.read_text())["deploymentSpec"]["executors"].values()
        assert {executor["container"]["image"] for executor in executors} == {f"voxloop:{__version__}"}
        assert not any("pip install" in " ".join(executor["container"]["command"]) for executor in executors)


def test_registering_stands_behind_every_verdict(tmp_path: Path) -> None:
    from voxloop.runners.kfp_local import DATA_JUDGES
    from voxloop.runners.kfp_package import Branch, read_package, read_steps

    (package,) = compile_pipelines(tmp_path)
    steps = read_steps(read_package(package), tmp_path)
    data, model = Branch("accept", "Output", "PASS"), Branch("gate", "Output", "PASS")
    assert steps["train"].branches == (data,)
    assert steps["register"].branches == (data, model)
    before = {"ingest", "fetch-champion", "accept", *DATA_JUDGES}
    assert {name for name, step in steps.items() if step.branches == ()} == before
    assert {name for name, step in steps.items() if model in step.branches} == {"register"}


def test_mlproject_has_every_job() -> None:
    jobs = {command.name for command in COMMANDS if command.group in (STEPS, ACTS)}
    # A search is no step: its result says how long trials took.
    assert set(_entry_points()) == (jobs | {"tune"}) - {"ask"}


@pytest.mark.parametrize("name", sorted(yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]))
def test_an_entry_point_of_mlproject_is_the_command_of_its_name(name: str) -> None:
    entry = _entry_points()[name]
    parameters = entry["parameters"]
    assert set(re.findall(r"\{(\w+)\}", entry["command"])) == set(parameters)
    command, bound = parse(re.sub(r"\{(\w+)\}", r"\1", entry["command"]))
    assert command == name
    assert {key: str(value) for key, value in bound.items()} == {key: key for key in parameters}


@pytest.mark.parametrize("name", sorted(yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]))
def test_the_defaults_of_mlproject_are_the_jobs(name: str) -> None:
    job = inspect.signature(find_job(name.replace("-", "_"))).parameters
    given = {key: spec for key, spec in _entry_points()[name]["parameters"].items() if isinstance(spec, dict)}
    assert {key: spec["default"] for key, spec in given.items()} == {key: job[key].default for key in given}


def test_every_stage_of_dvc_is_one_job_that_reads_and_writes_what_it_declares() -> None:
    stages = _stages()
    steps = {command.name for command in COMMANDS if command.group is STEPS}
    assert set(stages) == steps
    for name, stage in stages.items():
        command, bound = parse(stage["cmd"])
        assert command == name
        assert [str(bound["out"])] == stage["outs"]
        read = {str(value) for key, value in bound.items() if isinstance(value, Path) and key != "out"}
        assert read <= set(stage["deps"])
        made = {out for other in stages.values() for out in other["outs"]}
        assert all(dep in made or (ROOT / dep).exists() for dep in stage["deps"])


def test_dvc_leaves_nothing_of_its_arguments_out() -> None:
    """`${…}` cannot spell a list, so the file it reads must not ask for changes that would be lost."""
    arguments = read_arguments("training", "local")
    assert (arguments["corpus_path"], arguments["corpus_overrides"], arguments["overrides"]) == ("", [], [])


def test_no_gate_takes_the_lineages_missing_champion_for_a_first_one() -> None:
    from voxloop.evaluation.report import ChampionRecord

    record = ChampionRecord.model_validate_json((ROOT / "configs" / "no_champion" / "champion.json").read_text())
    assert (record.version, record.model_digest, record.ever) == (None, None, True)


def parse(line: str) -> tuple[str, dict[str, object]]:
    """Return the command a `voxloop …` line names and its arguments, as the command line itself reads them."""
    program, *tokens = shlex.split(line)
    assert program == "voxloop"
    tokens, _ = take_overrides(tokens)
    _, bound, _ = build_app().parse_args(tokens, print_error=False)
    return tokens[0], dict(bound.arguments)


def _entry_points() -> dict[str, Any]:
    points: dict[str, Any] = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]
    return points


def _stages() -> dict[str, Any]:
    text = (ROOT / "dvc.yaml").read_text()
    values = read_arguments("training", "local")
    stages: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{(\w+)\}", lambda found: str(values[found[1]]), text))["stages"]
    return stages


def _packages() -> list[str]:
    from pipelines.compile import PIPELINES

    return list(PIPELINES)


def _tasks(package: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for component in (package["root"], *package["components"].values()):
        for name, task in component.get("dag", {}).get("tasks", {}).items():
            if "dag" not in package["components"][task["componentRef"]["name"]]:
                yield name, task
