"""`voxloop compare`: trainings side by side, wherever they are kept."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.errors import InputError
from voxloop.settings import get_settings

if TYPE_CHECKING:
    from voxloop.comparison.trained import TrainedRun

_RUN_ID = re.compile(r"(?:runs:/)?(?P<id>[0-9a-f]{32})")
_VERSION = re.compile(
    r"(?P<uri>models:/)?(?P<task>[A-Za-z0-9_-]+)(?:/(?P<number>[0-9]{1,9})|@(?P<alias>[A-Za-z0-9_-]+))"
)


def compare(*runs: str, out: Path | None = None) -> None:
    """Hold two or more trainings against each other: a table, and pictures with --out.

    Prints what each is, what it reached on dev at its best epoch, and the values of the configuration that differ.
    Where tasks or datasets differ the measures carry letters: only those with the same letter may be compared. Dev
    figures choose what to go on with; whether a model is better is for `voxloop evaluate` and `voxloop gate` to say.

    A run is a folder written by train; a local pipeline run, by its folder or its name under the state folder's `runs`;
    an MLflow run by its id; or a model version, such as `emotion/3` or `emotion@champion`. For example
    `voxloop compare weights/one weights/two emotion@champion --out comparison`.

    Args:
        runs: Two or more.
        out: Folder to write `compare.json`, `compare.csv`, `curves.png`, `measures.png` and `report.html` to; it must
            be empty or not there.

    Raises:
        InputError: There is one run alone, or one that is unknown, damaged or no training.
        IntegrityError: A report is not the one its step recorded.
        ServiceUnavailableError: MLflow, where a run is kept, does not answer.
    """
    from voxloop.comparison.differences import compare_runs, require_several
    from voxloop.comparison.table import draw_table
    from voxloop.store.atomic import build_folder, refuse_occupied

    require_several(runs)
    if out is not None:
        refuse_occupied(out)
    comparison = compare_runs([read_run(run) for run in runs])
    for line in draw_table(comparison):
        print(line, flush=True)
    if out is not None:
        from voxloop.comparison.files import PAGE_NAME, write_comparison

        with build_folder(out) as folder:
            write_comparison(comparison, folder)
        print(f"written to {out}; open {out / PAGE_NAME}", flush=True)


def read_run(run: str) -> TrainedRun:
    """Read one run, wherever it is kept; what is on this machine comes before what MLflow calls the same.

    Raises:
        InputError: There is none of that name, or it is damaged.
    """
    from voxloop.comparison.trained import REPORT_NAME, read_trained
    from voxloop.runners.result import RESULT_NAME

    folder = Path(run)
    if (folder / REPORT_NAME).exists():
        return read_trained(folder, _name_folder(folder), "a training's folder")
    if any((place / RESULT_NAME).is_file() for place in (folder, get_settings().home / "runs" / run)):
        return _read_pipeline_run(run)
    if folder.exists():
        raise InputError(
            f"{run} is no run: it has neither {REPORT_NAME} nor {RESULT_NAME}",
            rule="train writes the one, a pipeline run the other",
            remedy="name such a folder",
        )
    if found := _RUN_ID.fullmatch(run):
        return _read_mlflow_run(found["id"], (), "an MLflow run")
    if (found := _VERSION.fullmatch(run)) and (found["uri"] or _is_task(found["task"])):
        return _read_version(found)
    raise InputError(
        f"no run {run!r}: no folder of that name, here or in {get_settings().home / 'runs'}",
        rule="a run is a folder of train, a local pipeline run, an MLflow run's id or a version such as emotion/3",
        remedy="name one of these",
    )


def _read_pipeline_run(run: str) -> TrainedRun:
    from voxloop.comparison.trained import REPORT_NAME, read_trained
    from voxloop.runners.kfp_log import read_step_seconds
    from voxloop.runners.rerun import find_run
    from voxloop.runners.result import read_result

    folder = find_run(run)
    result = read_result(folder)
    trained = result.folders.get("train", {}).get("out")
    if trained is None or not (Path(trained) / REPORT_NAME).exists():
        state = result.tasks.get("train", "not one of its steps")
        raise InputError(
            f"the run {folder.name} has no training to compare: train is {state}"
            + (f", and {trained} is not there" if trained else ""),
            rule="what train wrote lies in the run's folder",
            remedy="name a run whose train step has SUCCEEDED",
        )
    seconds = read_step_seconds(folder / "kfp.log", "train")
    return read_trained(Path(trained), _name_folder(folder), "a pipeline run", seconds)


def _read_version(found: re.Match[str]) -> TrainedRun:
    from voxloop.adapters.mlflow_trainings import find_version

    number = int(found["number"]) if found["number"] else None
    version = find_version(get_settings(), found["task"], number=number, alias=found["alias"] or "")
    return _read_mlflow_run(version.run_id, (f"{version.task}/{version.number}",), "a model version")


def _read_mlflow_run(run_id: str, names: tuple[str, ...], kind: str) -> TrainedRun:
    from voxloop.adapters.mlflow_trainings import fetch_training
    from voxloop.comparison.trained import REPORT_NAME, read_trained
    from voxloop.store.digests import RECORD_NAME

    with tempfile.TemporaryDirectory(prefix="voxloop-compare-") as place:
        name = fetch_training(get_settings(), run_id, Path(place), (REPORT_NAME, RECORD_NAME))
        return read_trained(Path(place), (*names, name, f"{name} {run_id[:8]}", run_id), kind)


def _name_folder(folder: Path) -> tuple[str, ...]:
    """Return what a folder may be called: its name, then with more and more of the folders it lies in."""
    parts = folder.absolute().resolve().parts[1:]
    return tuple("/".join(parts[-length:]) for length in range(1, len(parts) + 1)) or (str(folder),)


def _is_task(name: str) -> bool:
    from voxloop.tasks import task_names

    return name in task_names()
