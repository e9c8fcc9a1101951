"""Log one training, with its evidence, to MLflow."""

from __future__ import annotations

import json
from pathlib import Path


def track(
    weights: Path,
    model: Path,
    acceptance: Path,
    evaluation: Path,
    verdict: Path,
    out: Path,
    *,
    task: str = "emotion",
    retrain_id: str = "",
) -> Path:
    """Log one training, with its evidence, to MLflow: one run, however often it is asked for.

    The run holds the resolved configuration, the history of every epoch, the measures, the pictures, the model, the
    data report and the verdict, tagged with their digests and the git commit. A tree with changes may be tracked; it
    is tagged so. Writes `run.json`.

    Args:
        weights: Folder written by train.
        model: Folder written by export.
        acceptance: Folder written by accept.
        evaluation: Folder written by evaluate.
        verdict: Folder written by gate.
        out: Folder to write; it must be empty or not there.
        task: Family of the model; also the name of the experiment.
        retrain_id: The retraining it is made for, a tag of the run; empty without one.

    Returns:
        The folder written.

    Raises:
        InputError: A folder is not what it should be, or no retraining has that name.
        IntegrityError: The folders are not of one pipeline run.
        ServiceUnavailableError: MLflow does not answer.
    """
    from voxloop.adapters.mlflow import connect, translated
    from voxloop.adapters.mlflow_runs import record_run
    from voxloop.monitoring.retraining import require_retrain_id
    from voxloop.release.evidence import read_evidence
    from voxloop.settings import get_settings
    from voxloop.store.atomic import build_folder, write_file
    from voxloop.store.job_store import read_runner_key
    from voxloop.store.revision import read_code_revision
    from voxloop.tasks import require_task

    require_task(task)
    require_retrain_id(retrain_id)
    settings = get_settings()
    folders = {
        "training": weights,
        "model": model,
        "data": acceptance,
        "evaluation": evaluation,
        "verdict": verdict,
    }
    with build_folder(out) as folder:
        key = read_runner_key(settings.runner_key_file)
        evidence = read_evidence(task, folders, read_code_revision(settings.project_root), key)
        client = connect(settings)
        with translated(settings):
            run_id = record_run(client, evidence, retrain_id)
        write_file(folder / "run.json", json.dumps({"run_id": run_id, "experiment": task}, indent=2))
    print(f"tracked as run {run_id} of experiment {task} at {settings.mlflow_url}", flush=True)
    return out
