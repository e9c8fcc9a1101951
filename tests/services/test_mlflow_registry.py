"""Tracking and registration against a real MLflow server."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow import MlflowClient

from tests.services.pipeline_folders import PipelineFolders, write_acceptance, write_folders
from tests.unit.evaluation.cases import POLICY, judge, make_answers, policy_of, write_evaluation
from voxloop.adapters.mlflow import connect
from voxloop.adapters.mlflow_registry import MlflowRegistry
from voxloop.adapters.mlflow_runs import create_run, find_or_create_experiment
from voxloop.errors import InputError, IntegrityError, RefusedError, ServiceUnavailableError, VoxloopError
from voxloop.evaluation.gate import write_judgement
from voxloop.jobs.fetch_champion import fetch_champion
from voxloop.jobs.gate import gate
from voxloop.jobs.register import register
from voxloop.jobs.track import track
from voxloop.ledger.book import open_ledger
from voxloop.release.evidence import read_evidence
from voxloop.release.versions import CHALLENGER, CHAMPION, MODEL_DIGEST, PROMOTED_AT, RETRAIN_ID
from voxloop.settings import Settings
from voxloop.store.digests import digest_file, digest_tree
from voxloop.store.job_store import read_runner_key
from voxloop.store.revision import read_code_revision

KEPT = ("training", "model", "evaluation", "verdict", "data", "data/data_report")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")


def do_track(folders: PipelineFolders, out: Path, task: str, retrain_id: str = "") -> str:
    given = (folders.weights, folders.model, folders.data, folders.evaluation, folders.verdict)
    track(*given, out, task=task, retrain_id=retrain_id)
    return str(read(out / "run.json")["run_id"])


def do_register(folders: PipelineFolders, run: Path, out: Path, task: str) -> dict[str, Any]:
    register(run, folders.model, folders.evaluation, folders.verdict, out, task=task)
    return read(out / "version.json")


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def runs_of(client: MlflowClient, task: str) -> list[Any]:
    experiment = client.get_experiment_by_name(task)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


def test_a_run_holds_everything_and_is_never_doubled(registry_home: Settings, tmp_path: Path) -> None:
    folders = write_folders(tmp_path / "made", task="whole")
    first = do_track(folders, tmp_path / "first", "whole")
    assert do_track(folders, tmp_path / "second", "whole") == first
    client = connect(registry_home)
    (run,) = runs_of(client, "whole")
    assert run.info.status == "FINISHED"
    assert run.data.params == {"task": "whole", "optimiser.lr": "0.001", "layers": "[8, 8]", "gain": "1.0"}
    assert run.data.metrics["evaluation/challenger_uar"] == 0.75
    history = client.get_metric_history(first, "training/train_loss")
    assert [(point.step, point.value) for point in history] == [(0, 1.5), (1, 1.25)]
    assert run.data.tags[MODEL_DIGEST] == folders.model_digest
    assert run.data.tags["voxloop.git_dirty"] == "false"
    assert len(run.data.tags["voxloop.git_commit"]) == 40
    kept = {item.path for name in KEPT for item in client.list_artifacts(first, name)}
    assert {
        "training/curves.png",
        "model/model.onnx",
        "evaluation/confusion.png",
        "verdict/verdict.json",
        "data/acceptance.json",
        "data/data_report/data_docs",
    } <= kept
    page = f"#/experiments/{run.info.experiment_id}/runs/{first}/artifacts/data/data_report/data_docs/index.html"
    assert f"[data docs]({page})" in run.data.tags["mlflow.note.content"]


def test_the_approver_finds_the_card_by_its_digest(registry_home: Settings, tmp_path: Path) -> None:
    folders = write_folders(tmp_path / "made", task="carded")
    page = folders.verdict / "card.html"
    page.write_text("<!DOCTYPE html><p>a card</p>")
    digest, run_id = digest_file(page), do_track(folders, tmp_path / "run", "carded")
    client = connect(registry_home)
    (run,) = runs_of(client, "carded")
    link = f"#/experiments/{run.info.experiment_id}/runs/{run_id}/artifacts/verdict/card.html"
    assert f"[model card]({link})" in run.data.tags["mlflow.note.content"]
    assert "[leaks]" not in run.data.tags["mlflow.note.content"]
    assert "verdict/card.html" in {item.path for item in client.list_artifacts(run_id, "verdict")}
    text = page.read_text()
    page.write_text(text.replace("a card", "A card"))
    with pytest.raises(IntegrityError, match=r"has voxloop\.verdict_digest"):
        do_register(folders, tmp_path / "run", tmp_path / "changed", "carded")
    page.write_text(text)
    do_register(folders, tmp_path / "run", tmp_path / "version", "carded")
    version = client.get_model_version("carded", "1")
    assert version.tags["voxloop.card_digest"] == digest
    judged = f"[as it was judged](/voxloop/report/{digest})"
    assert f"Read the [model card]({link}), {judged}, sha256 `{digest}`." in str(version.description)


def test_a_run_that_was_cut_short_is_completed(registry_home: Settings, tmp_path: Path) -> None:
    folders = write_folders(tmp_path / "made", task="cut")
    kept = {"training": folders.weights} | {name: getattr(folders, name) for name in ("model", "evaluation", "verdict")}
    kept["data"] = folders.data
    evidence = read_evidence(
        "cut",
        kept,
        read_code_revision(registry_home.project_root),
        read_runner_key(registry_home.runner_key_file),
    )
    client = connect(registry_home)
    half = create_run(client, find_or_create_experiment(client, "cut"), evidence)
    client.log_artifacts(half.info.run_id, str(folders.model), "model")
    with pytest.raises(RefusedError, match="no finished run"):
        MlflowRegistry(registry_home).read_run_tags(half.info.run_id)
    assert do_track(folders, tmp_path / "out", "cut") == half.info.run_id
    (run,) = runs_of(client, "cut")
    assert run.info.status == "FINISHED"
    assert run.data.metrics["evaluation/speakers"] == 8


def test_run_and_version_lead_back_to_the_retraining_that_made_them(registry_home: Settings, tmp_path: Path) -> None:
    folders, made = write_folders(tmp_path / "made", task="reasoned"), f"retrain-{'a1' * 8}"
    with pytest.raises(InputError, match="retrain_id = 'nightly'"):
        do_track(folders, tmp_path / "refused", "reasoned", "nightly")
    run_id = do_track(folders, tmp_path / "run", "reasoned", made)
    assert do_track(folders, tmp_path / "again", "reasoned", f"retrain-{'b2' * 8}") == run_id, "the same evidence"
    do_register(folders, tmp_path / "run", tmp_path / "version", "reasoned")
    client = connect(registry_home)
    (run,) = runs_of(client, "reasoned")
    version = client.get_model_version("reasoned", "1")
    assert run.data.tags[RETRAIN_ID] == version.tags[RETRAIN_ID] == made
    assert f"`voxloop explain {made}` says why" in str(version.description)
    (page,) = (entry for entry in open_ledger(registry_home).read() if entry.subject == folders.model_digest)
    assert page.content["retrain_id"] == made


def test_a_version_is_created_once_with_its_run_and_tags(registry_home: Settings, tmp_path: Path) -> None:
    folders = write_folders(tmp_path / "made", task="once")
    run_id = do_track(folders, tmp_path / "run", "once")
    first = do_register(folders, tmp_path / "run", tmp_path / "first", "once")
    assert do_register(folders, tmp_path / "run", tmp_path / "second", "once") == first
    assert first == {"name": "once", "version": 1, "model_digest": folders.model_digest}
    (version,) = MlflowRegistry(registry_home).list_versions("once")
    assert version.run_id == run_id
    assert version.tags["voxloop.verdict"] == "PASS"
    assert RETRAIN_ID not in version.tags
    assert version.tags["voxloop.judged_against"] == "none"
    assert len(version.tags["voxloop.git_commit"]) == 40
    challenger = MlflowRegistry(registry_home).find_alias("once", CHALLENGER)
    assert challenger is not None
    assert challenger.number == 1


@pytest.mark.parametrize("verdict", ["FAIL", "CANNOT_TELL", "pass", ""])
def test_only_a_pass_is_registered(registry_home: Settings, tmp_path: Path, verdict: str) -> None:
    folders = write_folders(tmp_path / "made", task="judged", verdict=verdict)
    do_track(folders, tmp_path / "run", "judged")
    with pytest.raises(RefusedError, match="only a PASS is registered"):
        do_register(folders, tmp_path / "run", tmp_path / "out", "judged")
    assert not (tmp_path / "out").exists()
    assert MlflowRegistry(registry_home).list_versions("judged") == []


@pytest.mark.parametrize("verdict", ["FAIL", "CANNOT_TELL"])
def test_data_that_were_not_found_good_register_nothing(registry_home: Settings, tmp_path: Path, verdict: str) -> None:
    folders = write_folders(tmp_path / "made", task="bad-data")
    write_acceptance(folders.data, "bad-data", verdict)
    do_track(folders, tmp_path / "run", "bad-data")
    with pytest.raises(RefusedError, match="validate, leakage and poison all say PASS"):
        do_register(folders, tmp_path / "run", tmp_path / "out", "bad-data")
    assert MlflowRegistry(registry_home).list_versions("bad-data") == []


def test_the_champion_comes_with_what_its_data_looked_like(registry_home: Settings, tmp_path: Path) -> None:
    folders = write_folders(tmp_path / "made", task="looked")
    (folders.data / "data_report" / "profile.json").write_text('{"rows": 3}')
    (folders.data / "data_report" / "report.json").write_text('{"verdict": "PASS"}')
    do_track(folders, tmp_path / "run", "looked")
    do_register(folders, tmp_path / "run", tmp_path / "out", "looked")
    (version,) = MlflowRegistry(registry_home).list_versions("looked")
    MlflowRegistry(registry_home).set_alias(version, CHAMPION)
    MlflowRegistry(registry_home).download_report(version, tmp_path / "data_report")
    assert {path.name for path in (tmp_path / "data_report").iterdir()} == {"report.json", "profile.json"}
    assert read(tmp_path / "data_report" / "profile.json") == {"rows": 3}


def test_a_dirty_tree_may_track_and_not_register(registry_home: Settings, tmp_path: Path) -> None:
    folders = write_folders(tmp_path / "made", task="dirty")
    stray = registry_home.project_root / "stray.py"
    stray.write_text("")
    do_track(folders, tmp_path / "run", "dirty")
    with pytest.raises(RefusedError, match="uncommitted changes"):
        do_register(folders, tmp_path / "run", tmp_path / "out", "dirty")
    stray.unlink()
    with pytest.raises(RefusedError, match="was tracked from a tree with uncommitted changes"):
        do_register(folders, tmp_path / "run", tmp_path / "out", "dirty")
    do_track(folders, tmp_path / "clean", "dirty")
    assert do_register(folders, tmp_path / "clean", tmp_path / "out", "dirty")["version"] == 1


def test_evidence_of_another_model_is_refused(registry_home: Settings, tmp_path: Path) -> None:
    folders = write_folders(tmp_path / "made", task="mixed")
    other = write_folders(tmp_path / "other", task="mixed", gain=3.0)
    do_track(folders, tmp_path / "run", "mixed")
    with pytest.raises(IntegrityError, match="the verdict is about model"):
        register(tmp_path / "run", other.model, folders.evaluation, folders.verdict, tmp_path / "out", task="mixed")
    with pytest.raises(IntegrityError, match="has voxloop.model_digest"):
        do_register(other, tmp_path / "run", tmp_path / "out", "mixed")


def test_the_champion_is_fetched_verified(registry_home: Settings, tmp_path: Path) -> None:
    assert read(fetch_champion(tmp_path / "before", task="fetched") / "champion.json") == {
        "version": None,
        "model_digest": None,
        "ever": False,
    }
    folders = write_folders(tmp_path / "made", task="fetched")
    run_id = do_track(folders, tmp_path / "run", "fetched")
    do_register(folders, tmp_path / "run", tmp_path / "version", "fetched")
    registry = MlflowRegistry(registry_home)
    registry.set_alias(registry.list_versions("fetched")[0], CHAMPION)
    out = fetch_champion(tmp_path / "after", task="fetched")
    assert read(out / "champion.json") == {"version": 1, "model_digest": folders.model_digest, "ever": True}
    assert digest_tree(out / "model") == folders.model_digest
    (kept,) = (registry_home.home / "mlflow" / "artifacts").glob(f"*/{run_id}/artifacts/model/model.onnx")
    content = bytearray(kept.read_bytes())
    content[-1] ^= 1
    kept.write_bytes(bytes(content))
    with pytest.raises(IntegrityError, match="MLflow holds"):
        fetch_champion(tmp_path / "changed", task="fetched")
    assert not (tmp_path / "changed").exists()


@pytest.mark.usefixtures("settings")
def test_a_silent_server_is_not_an_empty_registry(tmp_path: Path) -> None:
    with pytest.raises(ServiceUnavailableError, match=r"MLflow does not answer at http.*voxloop up"):
        fetch_champion(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_mlflow_refuses_is_not_taken_for_nothing(registry_home: Settings) -> None:
    registry = MlflowRegistry(registry_home)
    assert registry.list_versions("never-heard-of") == []
    assert registry.find_alias("never-heard-of", CHAMPION) is None
    with pytest.raises(VoxloopError, match="MLflow refused model-versions/search"):
        registry.list_versions("a' or name = 'b")


def test_a_stricter_policy_says_which_promotions_it_would_have_stopped(
    registry_home: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, quality in (("good", 0.97), ("better", 1.0)):
        folders = write_folders(tmp_path / name, task="emotion", gain=1.0 + quality)
        shutil.rmtree(folders.evaluation)
        table = make_answers(challenger=quality, champion=0.8)
        write_evaluation(folders.evaluation, table, model_digest=folders.model_digest)
        judgement = judge(folders.evaluation)
        assert judgement.verdict == "PASS"
        write_judgement(judgement, folders.verdict)
        do_track(folders, tmp_path / f"{name}-run", "emotion")
        do_register(folders, tmp_path / f"{name}-run", tmp_path / f"{name}-version", "emotion")
    registry = MlflowRegistry(registry_home)
    assert gate(replay=True) == "emotion would have stopped 0 of 0 promotions; 2 passed and were never promoted"
    for version in registry.list_versions("emotion"):
        registry.set_tag(version, PROMOTED_AT, "2026-01-02T03:00:00+00:00")
    same, stricter = (tmp_path / f"{name}.yaml" for name in ("same", "stricter"))
    same.write_text(yaml.safe_dump(POLICY.model_dump(mode="json")))
    stricter.write_text(yaml.safe_dump(policy_of(limit=0.99).model_dump(mode="json")))
    capsys.readouterr()
    assert gate(replay=True, policy=str(same)) == f"{same} would have stopped 0 of 2 promotions"
    assert gate(replay=True, policy=str(stricter)) == f"{stricter} would have stopped 1 of 2 promotions"
    told = capsys.readouterr().out
    assert "emotion version 1  would have been stopped: " in told
    assert "limit: uar of the challenger" in told
    assert "emotion version 2  goes through: PASS" in told
    with pytest.raises(InputError, match="is no file"):
        gate(replay=True, policy="nowhere.yaml")


def test_a_gate_without_its_folders_says_what_it_lacks() -> None:
    with pytest.raises(InputError, match="given no evaluation"):
        gate()
    with pytest.raises(InputError, match="given no folder to write"):
        gate(Path("x"))
