"""One step of a local run, done again from exactly what it was done from, and held against what it gave then."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from voxloop.errors import InputError, IntegrityError
from voxloop.runners.recorded_outputs import compare, draw_table, judge
from voxloop.settings import get_settings

if TYPE_CHECKING:
    from voxloop.runners.recorded_step import RecordedStep
    from voxloop.store.step_record import StepRecord

STEPS = ("ingest", "validate", "leakage", "poison", "features", "train", "export", "evaluate")
"""The jobs that are functions of their inputs; an act's answer depends on when it is done."""


def rerun(run: str, step: str, out: Path | None = None) -> Path:
    """Run one step of a local pipeline run again, from its exact inputs and configuration, and compare.

    The step is really computed: neither the job store's result nor the run's own folder is used. Each file it writes
    is held against the digest recorded then; the table says PASS or FAIL for each, and exit code 4 says that one
    differs. Of a file that holds times, such as `golden.json`, the rest is compared, and it is said so. A step that
    failed in its run is done again too, with nothing to compare with. Training on a GPU may differ in the last digits.

    Args:
        run: Folder of a run, or the name of one under the state folder's `runs`.
        step: A step of it, such as `train`; acts (gate, register, …) are not done again.
        out: Folder to write; by default a new one under the run's `reruns`.

    Returns:
        The folder written.

    Raises:
        InputError: There is no such run or step, or it was not run here, or it is an act.
        IntegrityError: An input or the configuration is not what it was, or an output differs.
    """
    folder = find_run(run)
    recorded = read_step(folder, step)
    record = read_sealed_record(recorded)
    place = out or name_fresh_place(folder, step)
    recompute(recorded, record, place)
    print(f"step {step} of {folder.name}, done again in {place}", flush=True)
    if record is None:
        print("it did not come to its end in that run: there is nothing to compare with", flush=True)
        return place
    rows = compare(record, recorded.outputs["out"], place)
    for line in draw_table(rows):
        print(line, flush=True)
    judge(step, rows)
    return place


def find_run(run: str) -> Path:
    """Return the folder of a run.

    Raises:
        InputError: There is none of that name; the message lists the newest there are.
    """
    from voxloop.runners.result import RESULT_NAME

    runs = get_settings().home / "runs"
    for folder in (Path(run), runs / run):
        if (folder / RESULT_NAME).is_file():
            return folder.absolute()
    known = sorted(runs.glob(f"*/{RESULT_NAME}"), key=lambda path: path.stat().st_mtime, reverse=True)
    there = ", ".join(path.parent.name for path in known[:5])
    raise InputError(
        f"no run {run!r}: there is no {RESULT_NAME}",
        rule=f"the newest runs in {runs} are {there}" if there else f"there is no run in {runs}",
        remedy="name one of them, or the folder of another" if there else "`voxloop run training` makes one",
    )


def read_step(folder: Path, step: str) -> RecordedStep:
    """Return what a step of a run was called with.

    Raises:
        InputError: The run was none of this machine, or the step is not one, or is an act.
    """
    from voxloop.runners.kfp_package import read_package, read_steps
    from voxloop.runners.recorded_step import find_step
    from voxloop.runners.result import RunResult

    result = RunResult.read(folder)
    attempt = find_newest_attempt(folder)
    if result.runner != "local" or attempt is None:
        raise InputError(
            f"{folder.name} is no local run with its steps",
            rule=f"it was run by {result.runner}; pipeline.yaml and steps/ lie in a local run's folder",
            remedy="name a run of `voxloop run` with the local runner",
        )
    spec = read_package(folder / "pipeline.yaml")
    recorded = find_step(spec, read_steps(spec, attempt), result.arguments, step)
    if recorded.function not in STEPS:
        raise InputError(
            f"{step} is an act", rule="only steps give the same again", remedy=f"name one of {', '.join(STEPS)}"
        )
    return recorded


def recompute(recorded: RecordedStep, record: StepRecord | None, out: Path) -> None:
    """Compute a step again into `out`, by the job its component calls.

    Raises:
        IntegrityError: Its inputs or its configuration are not those of `record`.
    """
    from voxloop.store.job_store import recomputing

    with recomputing(record):
        _call(recorded, out)


def read_sealed_record(recorded: RecordedStep) -> StepRecord | None:
    """Return the record of what the step gave then; None when it did not come to its end.

    Raises:
        IntegrityError: There is none that this runner sealed.
    """
    from voxloop.store.job_store import read_runner_key
    from voxloop.store.step_record import read_record

    if not (folder := recorded.outputs.get("out")):
        return None
    record = read_record(folder)
    if record is None or not record.is_authentic(read_runner_key(get_settings().runner_key_file)):
        raise IntegrityError(
            f"{folder} has no record that this runner sealed",
            rule="what is compared with must be what was computed",
            remedy="run the pipeline again, or set VOXLOOP_HOME to the state folder it was run with",
        )
    return record


def name_fresh_place(folder: Path, what: str) -> Path:
    """Return a folder under a run's `reruns` that is not there yet."""
    numbers = (folder / "reruns" / f"{what}-{number}" for number in range(1, 1_000_000))
    return next(place for place in numbers if not place.exists())


def find_newest_attempt(folder: Path) -> Path | None:
    """Return the folder of a run's last attempt; None where it has none, or not the pipeline that was run."""
    attempts = sorted((folder / "steps").glob("*"), key=lambda path: path.stat().st_mtime)
    return attempts[-1] if attempts and (folder / "pipeline.yaml").is_file() else None


def _call(recorded: RecordedStep, out: Path) -> None:
    """Call the step's job as its component does."""
    job = getattr(importlib.import_module(f"voxloop.jobs.{recorded.function}"), recorded.function)
    hints = get_type_hints(job)
    values = {name: _spell(value, hints[name]) for name, value in recorded.values.items()}
    job(**values, out=out)


def _spell(value: Any, hint: Any) -> Any:
    """Return a value of the pipeline as the job takes it: a list as a tuple, a path as a path, an empty one as none."""
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, str) and hint in (Path, Path | None):
        return Path(value) if value else None
    return value
