"""Search for the values of a family's configuration that are best on dev."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.config import NAME, Overrides, find_config, load_config, resolved
from voxloop.errors import InputError
from voxloop.store.job_store import digest_input, digest_tombstones, read_record, run_step

if TYPE_CHECKING:
    from voxloop.tasks.recipe import Recipe
    from voxloop.tuning.plan import Plan


class _WrittenError(Exception):
    """Another worker of the same command has written the result."""


def tune(
    dataset: Path,
    out: Path,
    *,
    task: str = "emotion",
    config: str = "small",
    search: str = "small",
    features: Path | None = None,
    trials: int | None = None,
    study: str | None = None,
    mlflow: bool | None = None,
    overrides: Overrides = (),
) -> Path:
    """Search for the values of a configuration whose training is best by the family's objective on dev.

    Reads train and dev alone. Writes the best configuration (`best.yaml`, with the line that trains it), every trial
    (`study.json`, `trials.csv`) and pictures (`history.png`, `importance.png`).

    The same command, run several times at once, makes several workers of one study, which share its trials; each may be
    stopped or killed and started again at any time. A trial under way goes on from its checkpoint, in whichever worker.

    Args:
        dataset: Folder written by ingest.
        out: Folder to write; it must be empty or not there, or hold the result of this very search.
        task: Family of the model.
        config: Name of a file in configs/tasks/TASK: what the search varies.
        search: Name of a file in configs/search/TASK: what is varied, how, and for how long.
        features: Parquet table with a row an utterance, for families that take features.
        trials: Trials of the study, instead of those the search asks for; a study goes on when it is asked for more.
        study: Name of the study; without it, one that follows from data, configuration, search and code.
        mlflow: Log the study and its trials to MLflow: always, or never; without it, when the server answers.
        overrides: Changes to the configuration.

    Returns:
        The folder written.

    Raises:
        InputError: There is no such task, configuration, search or dataset, the search draws what the configuration
            refuses, or the study is another one's.
        TrainingInterruptedError: It was told to stop; the same command goes on.
        ServiceUnavailableError: A database or a tracking server that was asked for does not answer.
        VoxloopError: No trial ran to its end.
    """
    plan = _make_plan(dataset, task, config, search, features, trials, study, overrides)
    settled = {"study": plan.name, "digest": plan.digest, "search": resolved(plan.space)}
    if _is_written(out, settled):
        print(f"{out} holds the result of this search already", flush=True)
        return out
    command = _train_command(task, config, features, overrides)
    with ExitStack() as held:  # until `out` has its name, so that of several workers one writes
        try:
            return run_step(
                "tune",
                inputs={"dataset": dataset, "features": features},
                config={"task": task, "config": _without_checkpoints(plan.recipe), "command": command, **settled},
                out=out,
                work=lambda folder: _search(plan, folder, held, mlflow, lambda: _is_written(out, settled), command),
            )
        except _WrittenError:
            print(f"{out} was written by another worker", flush=True)
            return out


def _make_plan(
    dataset: Path,
    task: str,
    config: str,
    search: str,
    features: Path | None,
    trials: int | None,
    study: str | None,
    overrides: Overrides,
) -> Plan:
    from voxloop.adapters.hub import fetch_backbone
    from voxloop.store.digests import code_digest, digest_json, library_versions
    from voxloop.tasks import get_task
    from voxloop.tasks.backbone_source import settle
    from voxloop.tuning.plan import Plan
    from voxloop.tuning.space import SearchSpace, check_space

    family = get_task(task)
    recipe: Recipe = load_config(family.Config, find_config("tasks", task, config), overrides)
    fetch_backbone(recipe)
    recipe = settle(recipe)
    asked = () if trials is None else (f"trials={trials}",)
    space = load_config(SearchSpace, find_config("search", task, search), asked)
    _require_name(study)
    common = {
        "task": task,
        "config": _without_checkpoints(recipe),
        "search": space.model_dump(mode="json", exclude={"trials", "budget_seconds"}),
        "dataset": digest_input("tune", "dataset", dataset),
        "features": digest_input("tune", "features", features),
        "made_by": {"code": code_digest(), "libraries": library_versions()},
    }
    digest = digest_json(common)
    plan = Plan(dataset, family, recipe, space, features, study or f"{task}-{config}-{search}-{digest[:12]}", digest)
    check_space(space, plan.configure, origin=f"search {task}/{search}")
    return plan


def _search(
    plan: Plan,
    folder: Path,
    held: ExitStack,
    mlflow: bool | None,
    is_written: Callable[[], bool],
    command: str,
) -> None:
    from voxloop.adapters.mlflow_search import SearchRuns
    from voxloop.settings import get_settings
    from voxloop.training.interruption import Interruption
    from voxloop.tuning.plan import open_study
    from voxloop.tuning.results import write_results
    from voxloop.tuning.search import Worker
    from voxloop.tuning.storage import explained, open_storage

    settings, tombstones = get_settings(), digest_tombstones()
    kept = open_storage(settings.studies / plan.name, plan.name, settings.study_database)
    runs = SearchRuns(settings, kept.locks, wanted=mlflow)
    runs.open()
    with Interruption(settings.spot_notice).listening() as interruption, explained(kept.host):
        study = open_study(plan, kept)
        worker = Worker(plan, study, kept, store=settings.store, interruption=interruption, follower=runs)
        worker.run(tombstones)
        held.enter_context(kept.locks.alone("result"))
        if is_written():
            raise _WrittenError
        runs.finish(plan.read(study))
        write_results(folder, plan, study, command=command)


def _is_written(out: Path, settled: Mapping[str, object]) -> bool:
    """Return whether `out` holds the result of this very search."""
    try:
        record = read_record(out) if out.is_dir() else None
    except (ValueError, TypeError):  # somebody else's file of that name
        return False
    return record is not None and record.step == "tune" and settled.items() <= record.config.items()


def _without_checkpoints(recipe: Recipe) -> dict[str, object]:
    # How often a trial is saved changes nothing of its result.
    return {name: value for name, value in resolved(recipe).items() if name != "checkpoints"}


def _train_command(task: str, config: str, features: Path | None, overrides: Overrides) -> str:
    words = ["voxloop", "train", "DATASET", "OUT", "--task", task, "--config", config]
    words += [] if features is None else ["--features", str(features)]
    return shlex.join([*words, *(word for one in overrides for word in ("--set", one))])


def _require_name(study: str | None) -> None:
    if study is not None and not NAME.fullmatch(study):
        raise InputError(
            f"--study {study!r} is no name of a study",
            rule="letters, digits, - and _ only: it names a folder",
            remedy="give it such a name, or leave it out",
        )
