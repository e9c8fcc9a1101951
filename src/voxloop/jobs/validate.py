"""Check a dataset before anything is trained on it."""

from __future__ import annotations

from pathlib import Path

from voxloop.config import Overrides, find_config, load_config, resolved
from voxloop.errors import VoxloopError
from voxloop.store.job_store import run_step


def validate(dataset: Path, out: Path, *, task: str = "emotion", overrides: Overrides = ()) -> str:
    """Hold a dataset against its Great Expectations suite and say PASS, FAIL or CANNOT_TELL.

    Writes `report.json` and the data docs as HTML. A broken rule is FAIL; too few rows are CANNOT_TELL, and so is a
    validation that crashes, which is not kept in the job store.

    Args:
        dataset: Folder written by ingest.
        out: Folder to write; it must be empty or not there.
        task: Family to be trained; also the name of the file in configs/validation.
        overrides: Changes to configs/validation/TASK.yaml.

    Returns:
        The verdict.

    Raises:
        ConfigError: There is no such suite, or its numbers are malformed.
        InputError: The folder does not exist or is not a dataset.
    """
    from voxloop.adapters.validation_suite import SuiteConfig, read_report, report_crash
    from voxloop.store.atomic import build_folder

    config = load_config(SuiteConfig, find_config("validation", task), overrides)

    def work(folder: Path) -> None:
        from voxloop.adapters.great_expectations import validate_dataset

        validate_dataset(dataset, config, task, folder)

    settings = {"task": task, "config": resolved(config)}
    try:
        run_step("validate", inputs={"dataset": dataset}, config=settings, out=out, work=work)
    except VoxloopError:
        raise
    except Exception as crash:  # noqa: BLE001 - whatever stops a validation, the data was not found good
        with build_folder(out) as folder:
            report_crash(crash).write(folder)
    report = read_report(out)
    for line in report.lines():
        print(line, flush=True)
    return str(report.verdict)
