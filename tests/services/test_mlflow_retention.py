"""What retention and erasure ask of MLflow, asked of a real server."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from voxloop.adapters.mlflow import connect
from voxloop.adapters.mlflow_retention import MlflowArchive
from voxloop.data.erasure_scan import Names
from voxloop.errors import ServiceUnavailableError
from voxloop.release.artifact_erasure import ERASED, erase_artifacts
from voxloop.release.retention_needs import FREED, free_artifacts
from voxloop.release.reviews import REVIEW, REVIEW_REASON, SPEAKERS_ARTIFACT, Learnt, find_affected, open_reviews
from voxloop.release.standing import RegisteredModel, find_standing
from voxloop.release.versions import EVIDENCE, MODEL_DIGEST
from voxloop.settings import Settings

AT = datetime(2026, 11, 20, tzinfo=UTC)
MODEL = "retained"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")


def write_artifacts(folder: Path, speakers: list[str] | None) -> Path:
    (folder / "training").mkdir(parents=True)
    (folder / "evaluation" / "deep").mkdir(parents=True)
    (folder / "evaluation" / "deep" / "worst.json").write_text('["ann-anger-0"]')
    (folder / "evaluation" / "other.json").write_text('["bob-anger-0"]')
    (folder / "model.onnx").write_bytes(b"weights")
    if speakers is not None:
        listed = {"schema_version": 1, "train": speakers, "dev": []}
        (folder / "training" / "speakers.json").write_text(json.dumps(listed))
    return folder


@pytest.fixture(scope="module")
def runs(shared_mlflow: Settings, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Track three runs, the last one deleted, and register three versions; the second is the champion."""
    client = connect(shared_mlflow)
    experiment = client.create_experiment(MODEL)
    made = []
    client.create_registered_model(MODEL)
    for number, speakers in enumerate((["ann"], ["ann", "bob"], None), start=1):
        run = client.create_run(experiment, tags={EVIDENCE: f"evidence {number}"})
        folder = write_artifacts(tmp_path_factory.mktemp(f"run{number}"), speakers)
        client.log_artifacts(run.info.run_id, str(folder))
        client.set_terminated(run.info.run_id)
        if speakers is None:
            client.delete_run(run.info.run_id)
        source = f"{run.info.artifact_uri}/model"
        tags = {MODEL_DIGEST: f"{number}" * 64}
        client.create_model_version(
            MODEL, source, run.info.run_id, tags=tags, description="first", await_creation_for=0
        )
        made.append(run.info.run_id)
    client.set_registered_model_alias(MODEL, "champion", "2")
    return made


def find_model(archive: MlflowArchive) -> RegisteredModel:
    (model,) = (one for one in archive.list_models() if one.name == MODEL)
    return model


def test_models_come_with_all_versions_and_aliases(shared_mlflow: Settings, runs: list[str]) -> None:
    model = find_model(MlflowArchive(shared_mlflow))
    assert [(one.number, one.run_id, one.model_digest) for one in model.versions] == [
        (number, run_id, f"{number}" * 64) for number, run_id in enumerate(runs, start=1)
    ]
    assert model.aliases == {"champion": 2}
    assert find_standing(model) == {2: "champion"}


def test_runs_come_with_their_end_and_the_deleted_ones_too(shared_mlflow: Settings, runs: list[str]) -> None:
    found = {run.run_id: run for run in MlflowArchive(shared_mlflow).list_runs() if run.experiment == MODEL}
    assert found.keys() == set(runs)
    assert all(abs(run.changed - datetime.now(UTC).timestamp()) < 3600 for run in found.values())


def test_who_learnt_from_whom_and_the_review_of_the_champion(shared_mlflow: Settings, runs: list[str]) -> None:
    archive = MlflowArchive(shared_mlflow)
    affected = find_affected(archive, [find_model(archive)], "ann")
    assert [(one.version.number, one.learnt, one.standing) for one in affected] == [
        (1, Learnt.YES, ""),
        (2, Learnt.YES, "champion"),
        (3, Learnt.UNKNOWN, ""),
    ]
    assert open_reviews(archive, affected, "ab" * 32, at=AT) == ["retained version 2 (champion)"]
    champion = find_model(archive).versions[1]
    assert (champion.tags[REVIEW], champion.tags[REVIEW_REASON]) == ("open", "erasure:abababababab")
    note = archive.read_note(champion)
    assert note.startswith("first\n\n**Review** (2026-11-20): erasure:abababababab")
    affected = find_affected(archive, [find_model(archive)], "ann")
    assert open_reviews(archive, affected, "ab" * 32, at=AT) == []
    assert archive.read_note(champion) == note


@pytest.mark.slow
def test_artifacts_that_hold_them_are_deleted_and_the_rest_stays(shared_mlflow: Settings, runs: list[str]) -> None:
    archive = MlflowArchive(shared_mlflow)
    names = Names("ann", frozenset({"ann-anger-0"}))
    dry, _ = erase_artifacts(archive, names, "ab" * 32, dry_run=True)
    deleted, failed = erase_artifacts(archive, names, "ab" * 32, dry_run=False)
    ours = [line for line in deleted if MODEL in line]
    assert ours == [line for line in dry if MODEL in line]
    assert sorted(ours) == sorted(f"run {run_id} of {MODEL}: evaluation/deep/worst.json" for run_id in runs)
    assert failed == []
    assert set(archive.list_artifacts(runs[0])) == {"evaluation/other.json", "model.onnx", "training/speakers.json"}
    tags = {run.run_id: run.tags for run in archive.list_runs()}
    assert all(tags[run_id][ERASED] == "abababababab" for run_id in runs)
    assert not [line for line in erase_artifacts(archive, names, "ab" * 32, dry_run=False)[0] if MODEL in line]


def test_a_freed_run_keeps_its_tags_and_says_so(shared_mlflow: Settings, runs: list[str]) -> None:
    archive = MlflowArchive(shared_mlflow)
    for run_id, stays in ((runs[0], {SPEAKERS_ARTIFACT}), (runs[2], set())):
        free_artifacts(archive, [run_id], AT)
        assert set(archive.list_artifacts(run_id)) == stays
        (run,) = (one for one in archive.list_runs() if one.run_id == run_id)
        assert run.tags[FREED] == "2026-11-20T00:00:00+00:00"
        assert EVIDENCE in run.tags
    assert connect(shared_mlflow).get_run(runs[2]).info.lifecycle_stage == "deleted", "what was deleted stays deleted"
    assert archive.list_artifacts(runs[1])
    learnt = {one.version.number: one.learnt for one in find_affected(archive, [find_model(archive)], "ann")}
    assert learnt[1] is Learnt.YES


@pytest.mark.usefixtures("settings")
def test_a_silent_server_is_not_an_empty_one(settings: Settings) -> None:
    with pytest.raises(ServiceUnavailableError, match="does not answer"):
        MlflowArchive(settings).list_models()
