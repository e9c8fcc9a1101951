"""Finding, compiling and configuring the pipelines beside the package."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from voxloop.errors import ConfigError, InputError
from voxloop.runners.compile import compile_pipelines, find_pipeline, read_arguments
from voxloop.settings import Settings, get_settings


def test_writes_every_pipeline_as_ir_yaml(tmp_path: Path) -> None:
    packages = compile_pipelines(tmp_path / "pipelines")
    assert [path.name for path in packages] == ["training.yaml"]
    assert yaml.safe_load(packages[0].read_text())["pipelineInfo"]["name"] == "training"


def test_on_a_cluster_a_training_whose_machine_is_taken_away_is_tried_again(tmp_path: Path) -> None:
    (package,) = compile_pipelines(tmp_path)
    parts = yaml.safe_load(package.read_text())
    graphs = [parts["root"], *parts["components"].values()]
    tasks = {name: task for graph in graphs for name, task in graph.get("dag", {}).get("tasks", {}).items()}
    retried = {name: task["retryPolicy"] for name, task in tasks.items() if "retryPolicy" in task}
    assert list(retried) == ["train"]
    assert retried["train"]["maxRetryCount"] == 5
    assert retried["train"]["backoffDuration"] == "30s"


def test_an_unknown_pipeline_is_named_with_the_choices() -> None:
    with pytest.raises(InputError, match="no pipeline 'trainning'; the pipelines are training"):
        find_pipeline("trainning")


def test_overrides_change_single_arguments() -> None:
    arguments = read_arguments("training", "local", ("policy=emotion-nemo", "overrides=[epochs=1]", "bootstrap=true"))
    assert (arguments["policy"], arguments["overrides"], arguments["bootstrap"]) == ("emotion-nemo", ["epochs=1"], True)


def test_an_argument_with_a_default_need_not_stand_in_the_file() -> None:
    assert read_arguments("training", "local")["retrain_id"] == ""


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("polcy=x", "did you mean 'policy'"),
        ("bootstrap=maybe", "bootstrap = 'maybe'"),
        ("overrides=3", "overrides = 3"),
    ],
)
def test_refuses_arguments_the_pipeline_does_not_have(override: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read_arguments("training", "local", (override,))


def test_an_unknown_configuration_is_named_with_the_choices() -> None:
    with pytest.raises(ConfigError, match="dev, local, prod"):
        read_arguments("training", "laptop")


def test_a_file_for_a_family_that_holds_no_keys_is_refused(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "configs" / "pipelines" / "training"
    (folder / "local").mkdir(parents=True)
    shutil.copy(settings.project_root / "configs" / "pipelines" / "training" / "local.yaml", folder)
    (folder / "local" / "asr.yaml").write_text("# nothing")
    find_pipeline("training")
    monkeypatch.setenv("VOXLOOP_PROJECT_ROOT", str(tmp_path))
    get_settings.cache_clear()
    with pytest.raises(ConfigError, match=r"asr\.yaml holds NoneType, not keys"):
        read_arguments("training", "local", ("task=asr",))
