"""Look for what a model is judged on among what it would learn from."""

from __future__ import annotations

from pathlib import Path

from voxloop.config import Overrides, find_config, load_config, resolved
from voxloop.errors import IntegrityError, VoxloopError


def leakage(
    dataset: Path, out: Path, *, task: str = "emotion", sets: Path | None = None, overrides: Overrides = ()
) -> str:
    """Compare training data with everything the task is judged on and say PASS, FAIL or CANNOT_TELL.

    The split train is held against the splits dev and test and against every frozen evaluation set of the task:
    speakers, sessions, utterances, recordings (the same bytes, or copies by fingerprint) and sentences. Writes
    `leakage.json` and `leakage.html`. An empty side, a sound that cannot be read, a changed evaluation set or a crash
    are CANNOT_TELL.

    Args:
        dataset: Folder written by ingest.
        out: Folder to write; it must be empty or not there.
        task: Family to be trained; also the name of the file in configs/leakage.
        sets: Folder of the frozen evaluation sets; the settings' own when left out, which may not be there yet.
        overrides: Changes to configs/leakage/TASK.yaml.

    Returns:
        The verdict.

    Raises:
        ConfigError: There is no such task, or its numbers are malformed.
        InputError: The dataset or the folder of sets does not exist.
    """
    from voxloop.data.evaluation_sets import find_family
    from voxloop.data.leakage import LeakageConfig, search_dataset
    from voxloop.data.leakage_page import write_page
    from voxloop.data.leakage_report import read_report, report_crash
    from voxloop.data.manifest import load_manifest
    from voxloop.settings import get_settings
    from voxloop.store.atomic import build_folder, refuse_occupied
    from voxloop.store.job_store import run_step

    config = load_config(LeakageConfig, find_config("leakage", task), overrides)
    frozen = find_family(sets, get_settings().evaluation_sets, task)
    refuse_occupied(out)

    def work(folder: Path) -> None:
        from voxloop.data.evaluation_sets import list_evaluation_sets

        found = list_evaluation_sets(frozen.parent, task) if frozen else []
        report = search_dataset(dataset, found, task, config)
        report.write(folder)
        write_page(report, folder)

    inputs = {"dataset": dataset, "sets": frozen}
    try:
        load_manifest(dataset)
        run_step("leakage", inputs=inputs, config={"task": task, "config": resolved(config)}, out=out, work=work)
    except Exception as crash:
        if isinstance(crash, VoxloopError) and not isinstance(crash, IntegrityError):
            raise  # what was asked for is wrong, or may be asked again: no judgement of the data
        report = report_crash(task, crash)
        with build_folder(out) as folder:
            report.write(folder)
            write_page(report, folder)
    report = read_report(out)
    for line in report.lines():
        print(line, flush=True)
    return str(report.verdict)
