"""The run folders of pipelines, as retention sees them: when, what of, and which stored results they stand on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from voxloop.store.digests import RECORD_NAME
from voxloop.store.retention_lineage import read_record_if_sound
from voxloop.store.sweep import last_change

RETRAINING = "training"
"""The pipeline whose runs are retrainings."""


@dataclass(frozen=True)
class RunFolder:
    """One folder under `runs/`.

    Args:
        folder: Where it lies.
        changed: When anything in it was written last, seconds since 1970.
        ended: When its result was written; None while there is none.
        pipeline: What was run; empty when it is not known.
        succeeded: Whether it came to its end without an error.
        mlflow_run: The tracked run.
        model_digest: The model it judged.
        keys: Keys of the stored results its steps are.
    """

    folder: Path
    changed: float
    ended: float | None
    pipeline: str
    succeeded: bool
    mlflow_run: str | None
    model_digest: str | None
    keys: frozenset[str]

    @property
    def night(self) -> date | None:
        """The day it ended on, UTC."""
        return None if self.ended is None else datetime.fromtimestamp(self.ended, UTC).date()


def read_runs(runs: Path) -> list[RunFolder]:
    """Return every run folder, in the order of their names."""
    folders = sorted(path for path in runs.glob("*") if path.is_dir() and not path.name.startswith("."))
    return [_read_run(folder) for folder in folders]


def choose_nights(runs: Iterable[RunFolder], nights: int) -> dict[Path, str]:
    """Return the folders of the retrainings of the newest `nights` days that have one, with the reason.

    A failed run makes no night: a week of failures must not push out the last that went well.
    """
    good = [run for run in runs if run.pipeline == RETRAINING and run.succeeded and run.night is not None]
    newest = sorted({run.night for run in good if run.night is not None}, reverse=True)[:nights]
    return {run.folder: f"retraining of {run.night}" for run in good if run.night in newest}


def find_registration(runs: Path) -> Path | None:
    """Return a run folder whose result names a registered version; None without any."""
    results = sorted(runs.glob("*/result.json"))
    return next((path.parent for path in results if (_read_result(path) or {}).get("version") is not None), None)


def _read_run(folder: Path) -> RunFolder:
    result = folder / "result.json"
    told = _read_result(result)
    keys = {
        record.key
        for path in folder.rglob(RECORD_NAME)
        if (record := read_record_if_sound(path.parent)) is not None and not path.is_symlink()
    }
    return RunFolder(
        folder=folder,
        changed=last_change(folder),
        ended=result.stat().st_mtime if told is not None else None,
        pipeline=str((told or {}).get("pipeline") or ""),
        succeeded=told is not None and told.get("error") is None,
        mlflow_run=(told or {}).get("run_id"),
        model_digest=(told or {}).get("model_digest"),
        keys=frozenset(keys),
    )


def _read_result(path: Path) -> dict[str, Any] | None:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None
