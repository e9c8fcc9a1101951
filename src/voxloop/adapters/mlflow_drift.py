"""A page about drift as a run of its family: one run a page, known by the page's digest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.adapters.mlflow import connect, translated
from voxloop.adapters.mlflow_runs import create_once, find_or_create_experiment, find_run, link_pages

if TYPE_CHECKING:
    from voxloop.settings import Settings

PAGE_DIGEST = "voxloop.drift_page"
"""SHA-256 of the page: the run's identity."""
FOLDER = "drift"


def record_page(settings: Settings, task: str, page: Path, digest: str, tags: Mapping[str, str]) -> str:
    """Log a page, once, however often it is asked for and wherever that was cut short.

    Args:
        settings: They name the tracking server.
        task: Family, whose experiment the run is of.
        page: The file.
        digest: SHA-256 of it.
        tags: What it is about.

    Returns:
        Where the UI shows it, below the server's address.

    Raises:
        ServiceUnavailableError: MLflow does not answer.
        VoxloopError: It refuses.
    """
    client = connect(settings)
    with translated(settings):
        experiment = find_or_create_experiment(client, task)
        told = {**tags, PAGE_DIGEST: digest, "mlflow.source.type": "JOB", "mlflow.source.name": "voxloop drift"}
        found = find_run(client, experiment, digest, PAGE_DIGEST)
        run = found or create_once(client, experiment, told, f"drift-{digest[:8]}", PAGE_DIGEST)
        if run.info.status != "FINISHED":
            client.log_artifact(run.info.run_id, str(page), FOLDER)
            client.set_terminated(run.info.run_id, "FINISHED")
        return link_pages(run, {"page": f"{FOLDER}/{page.name}"})["page"]
