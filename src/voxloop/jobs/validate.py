"""Check a dataset before anything is trained on it."""

from __future__ import annotations

from pathlib import Path

from voxloop.config import Overrides, find_config, load_config, resolved
from voxloop.errors import VoxloopError
from voxloop.store.job_store import run_step


def validate(
    dataset: Path, out: Path, *, task: str = "emotion", previous: Path | None = None, overrides: Overrides = ()
) -> str:
    """Hold a dataset against its Great Expectations suites and say PASS, FAIL or CANNOT_TELL.

    Writes `report.json` with every check, its column, how many rows break it and which; `profile.json`, what the
    dataset looks like; and the data docs as HTML. A broken rule is FAIL; too few rows are CANNOT_TELL, and so is a
    previous dataset that cannot be compared with, and a validation that crashes, which is not kept in the job store.

    Args:
        dataset: Folder written by ingest.
        out: Folder to write; it must be empty or not there.
        task: Family to be trained; also the name of the file in configs/validation.
        previous: The dataset accepted last: folder of an earlier validation that passed, or of fetch-champion. Without
            it, and with one that tells of no champion ever, the dataset is the first and compared with nothing.
        overrides: Changes to configs/validation/TASK.yaml. `recorded_at.at=2026-01-06T00:00:00Z` gives the clock.

    Returns:
        The verdict.

    Raises:
        ConfigError: There is no such suite, or its numbers are malformed.
        InputError: The folder does not exist or is not a dataset.
    """
    from voxloop.adapters.validation_report import read_report, report_crash
    from voxloop.adapters.validation_suite import SuiteConfig
    from voxloop.store.atomic import build_folder

    config = load_config(SuiteConfig, find_config("validation", task), overrides)

    def work(folder: Path) -> None:
        from voxloop.adapters.great_expectations import validate_dataset

        validate_dataset(dataset, config, task, folder, previous)

    settings = {"task": task, "config": resolved(config)}
    inputs = {"dataset": dataset, "previous": previous}
    try:
        run_step("validate", inputs=inputs, config=settings, out=out, work=work)
    except VoxloopError:
        raise
    except Exception as crash:  # noqa: BLE001 - whatever stops a validation, the data was not found good
        with build_folder(out) as folder:
            report_crash(crash).write(folder)
    report = read_report(out)
    for line in report.lines():
        print(line, flush=True)
    return str(report.verdict)
