"""One fault of each family through the whole pipeline, on a platform of its own: real runner, real jobs, real MLflow."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.soak import in_soak
from voxloop.config import find_config, load_config
from voxloop.errors import RefusedError
from voxloop.jobs.selftest_platform import open_platform, send_through
from voxloop.selftest.config import SelfTestConfig
from voxloop.selftest.night import CONTROL
from voxloop.settings import Settings, get_settings, isolated_settings
from voxloop.tasks import task_names

Project = Callable[[Path], None]
IN_SOAK = in_soak("some ten quiet minutes a family")


@pytest.fixture
def use_project(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return what makes a folder the project root, beside a home of this test alone."""

    def use(project: Path) -> None:
        monkeypatch.setenv("VOXLOOP_PROJECT_ROOT", str(project))
        get_settings.cache_clear()

    assert not settings.home.exists() or not list(settings.home.iterdir())
    return use


@pytest.mark.slow
@IN_SOAK
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("task", task_names())
def test_a_fault_is_stopped_by_the_whole_pipeline_and_the_platform_is_left_alone(
    task: str, use_project: Project, clean_checkout: Path, tmp_path: Path
) -> None:
    use_project(clean_checkout)
    config = load_config(SelfTestConfig, find_config("selftest", task))
    control, fault = send_through(task, 1, config, tmp_path / "own")
    assert (control.name, control.good) == (CONTROL, True), control
    assert (fault.name, fault.good) == (f"pipeline: {config.pipeline.fault}", True), fault
    home = get_settings().home
    assert not home.exists() or not {"mlflow", "store", "ledger", "runs"} & {one.name for one in home.iterdir()}


@pytest.mark.slow
@IN_SOAK
@pytest.mark.timeout(3600)
def test_a_fault_that_the_pipeline_registers_is_red(use_project: Project, clean_checkout: Path, tmp_path: Path) -> None:
    """A policy that asks for nothing: the pipeline registers what it should have stopped."""
    loose = tmp_path / "project"
    shutil.copytree(clean_checkout, loose)
    path = loose / "configs" / "gates" / "personality.yaml"
    policy = yaml.safe_load(path.read_text())
    kept = {key: policy[key] for key in ("version", "claim", "level")}
    rule = {"limit": -1e9, "comparison": {"kind": "non_inferiority", "margin": 1e9}}
    path.write_text(yaml.safe_dump(kept | {"measures": {"ccc": rule}, "minimum_speakers": 2, "minimum_utterances": 2}))
    git = ["git", "-C", str(loose), "-c", "user.name=test", "-c", "user.email=test@localhost"]
    subprocess.run([*git, "commit", "-qam", "loose"], check=True)
    use_project(loose)
    config = load_config(SelfTestConfig, find_config("selftest", "personality"))
    control, fault = send_through("personality", 1, config, tmp_path / "own")
    assert control.good, control
    assert (fault.good, fault.reason, fault.verdict) == (False, "it was registered", "PASS")


def test_a_checkout_with_changes_is_refused_before_anything_starts(
    use_project: Project, clean_checkout: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "project"
    shutil.copytree(clean_checkout, changed)
    (changed / "README.md").write_text("changed")
    use_project(changed)
    with pytest.raises(RefusedError, match="has uncommitted changes"), open_platform("asr", tmp_path / "own"):
        pass
    assert not (tmp_path / "own").exists()


def test_a_platform_of_its_own_shares_nothing_that_is_written_to(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from voxloop.settings import environment_of

    monkeypatch.setenv("VOXLOOP_LEDGER_URL", "postgresql://ledger:secret@db/voxloop")
    monkeypatch.setenv("VOXLOOP_RUNNER", "kubeflow")
    get_settings.cache_clear()
    own = isolated_settings(tmp_path / "own", mlflow=5099)
    places = (own.store, own.ledger, own.evaluation_sets, own.studies, own.tombstones_file, own.runner_key_file)
    assert all(place.is_relative_to(tmp_path / "own") for place in (*places, own.model_repository))
    assert (own.mlflow_url, own.runner, own.ledger_url) == (f"http://{settings.host}:5099", "local", None)
    environment = environment_of(own)
    assert environment["VOXLOOP_HOME"] == str(tmp_path / "own")
    assert environment["VOXLOOP_PORTS__MLFLOW"] == "5099"
    assert environment["VOXLOOP_RUNNER"] == "local"
    assert "secret" not in " ".join(environment.values())
