"""What a run of the pipeline learned from and came to, read from the folders that its steps wrote."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxloop.errors import VoxloopError
from voxloop.monitoring.past_runs import Learned

if TYPE_CHECKING:
    from voxloop.comparison.trained import TrainingReport
    from voxloop.runners.result import RunResult


def read_learned(result: RunResult, folder: Path) -> Learned | None:
    """Return what a local run learned; None where it trained nothing, or its folders cannot be read here.

    Args:
        result: Of the run.
        folder: Of the run, where its log is.
    """
    from voxloop.comparison.trained import REPORT_NAME, read_report
    from voxloop.runners.kfp_log import read_step_seconds

    try:
        report = read_report(_place(result, "train") / REPORT_NAME)
    except VoxloopError:  # a cluster's run, data that were refused: the verdicts are kept all the same
        return None
    seconds = read_step_seconds(folder / "kfp.log", "train")
    return Learned(
        measure=report.objective.name,
        error=_error_of(report),
        hours=report.audio_seconds.train / 3600,
        labelled_hours=_count_labelled(result, report.task),
        gpu_hours=None if seconds is None else seconds / 3600 * _count_devices(report.config),
        lead=_read_lead(result),
    )


def _error_of(report: TrainingReport) -> float | None:
    """Return what is left of a family's objective: 1 less it where more of it is better."""
    from voxloop.tasks import get_task

    value = report.objective.value
    if not math.isfinite(value):
        return None
    return 1 - value if get_task(report.task).OBJECTIVE.mode == "max" else value


def _count_labelled(result: RunResult, task: str) -> float | None:
    from voxloop.data.labelled_hours import measure_labelled_hours

    try:
        return measure_labelled_hours(_place(result, "ingest"), task)
    except VoxloopError:
        return None


def _count_devices(config: Mapping[str, Any]) -> int:
    devices = config.get("devices") or {}
    return int(devices.get("count", 1)) * int(devices.get("nodes", 1))


def _read_lead(result: RunResult) -> float | None:
    """Return the lead over the champion that the gate found in its first measure; None where there was no champion."""
    from voxloop.store.plain_files import read_json_object

    try:
        interval = read_json_object(_place(result, "gate") / "verdict.json").get("interval")
    except VoxloopError:
        return None
    if not isinstance(interval, dict) or not str(interval.get("measure")).endswith(" lead"):
        return None
    estimate = interval.get("estimate")
    return float(estimate) if isinstance(estimate, int | float) else None


def _place(result: RunResult, step: str) -> Path:
    """Return the folder a step wrote; of one that did not end a path that is not there."""
    return Path(result.folders.get(step, {}).get("out", f"no folder of {step}"))
