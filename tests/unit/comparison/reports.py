"""Reports of trainings that nobody ran."""

from __future__ import annotations

from typing import Any

from voxloop.comparison.trained import TrainedRun, TrainingReport


def make_report(**changes: Any) -> dict[str, Any]:
    """Return a report as train writes it, small."""
    history = [
        {"epoch": epoch, "train_loss": 2.0 / epoch, "dev_loss": 2.5 / epoch, "dev": {"uar": 0.2 * epoch, "wa": 0.5}}
        for epoch in (1, 2, 3)
    ]
    report = {
        "schema_version": 2,
        "task": "emotion",
        "config": {"seed": 7, "optimiser": {"learning_rate": 1e-3}, "network": {"channels": [8, 8]}},
        "history": history,
        "best_epoch": 3,
        "objective": {"name": "uar", "value": 0.6},
        "dev": history[2]["dev"],
        "dataset_digest": "d1" * 32,
        "torch": "2.13.0",
        "utterances": {"train": 100, "dev": 20},
        "audio_seconds": {"train": 3600.0, "dev": 360.0},
        "parameters": 12_345,
    }
    return {**report, **changes}


def make_run(
    *names: str, seconds: float | None = None, inputs: dict[str, str | None] | None = None, **changes: Any
) -> TrainedRun:
    """Return a run of that report."""
    report = TrainingReport.model_validate(make_report(**changes))
    return TrainedRun(names or ("one",), "by hand", report, inputs or {}, seconds=seconds)
