"""A page about drift as a run of a real MLflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxloop.adapters.mlflow import connect
from voxloop.adapters.mlflow_drift import PAGE_DIGEST, record_page
from voxloop.settings import Settings
from voxloop.store.digests import digest_file

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")


def test_a_page_is_one_run_of_its_family_known_by_its_digest(registry_home: Settings, tmp_path: Path) -> None:
    page = tmp_path / "episode-x.html"
    page.write_text("<html>drift</html>")
    digest, tags = digest_file(page), {"voxloop.drift_window": "2026-11-29T11:00:00+00:00"}
    link = record_page(registry_home, "once", page, digest, tags)
    assert record_page(registry_home, "once", page, digest, tags) == link
    client = connect(registry_home)
    experiment = client.get_experiment_by_name("once")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], f"tags.`{PAGE_DIGEST}` = '{digest}'")
    assert [run.info.status for run in runs] == ["FINISHED"]
    run = runs[0]
    assert link == (f"#/experiments/{experiment.experiment_id}/runs/{run.info.run_id}/artifacts/drift/episode-x.html")
    assert run.data.tags["voxloop.drift_window"] == tags["voxloop.drift_window"]
    copy = client.download_artifacts(run.info.run_id, "drift/episode-x.html", str(tmp_path))
    assert digest_file(Path(copy)) == digest


def test_a_run_that_was_cut_short_is_finished(registry_home: Settings, tmp_path: Path) -> None:
    page = tmp_path / "episode-y.html"
    page.write_text("<html>more drift</html>")
    digest = digest_file(page)
    client = connect(registry_home)
    link = record_page(registry_home, "once", page, digest, {})
    run_id = link.split("/")[4]
    client.update_run(run_id, "RUNNING")
    assert record_page(registry_home, "once", page, digest, {}) == link
    assert client.get_run(run_id).info.status == "FINISHED"
