"""The pipeline `training` through kfp.local, with every real job, the real store and a real MLflow server.

Only the sizes are small: a dozen virtual speakers, twelve epochs, and gate policies that ask for as little or as much as a
test needs. All tests share one job store, so each step is computed once.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.small_project import make_small_project
from tests.soak import in_soak
from voxloop.errors import ServiceUnavailableError
from voxloop.ledger.book import open_ledger
from voxloop.monitoring.past_runs import list_past_runs
from voxloop.monitoring.retraining import ASKED, Reason, list_retrainings
from voxloop.release.versions import RETRAIN_ID
from voxloop.runners.result import RunResult
from voxloop.runners.retrain import retrain
from voxloop.runners.run import run
from voxloop.settings import Settings, child_environment, get_settings

# The first run takes three quiet minutes; every later one finds most of its steps in the store.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
ONE_MORE = "another run of the pipeline, whose verdict smaller tests hold"
STEPS = {"ingest", "validate", "leakage", "poison", "features", "train", "export", "evaluate"}
ACTS = {"fetch-champion", "accept", "gate", "track"}
Train = Callable[..., RunResult]


@pytest.fixture(scope="module")
def project(clean_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_small_project(clean_checkout, tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def platform(mlflow_server: Settings, project: Path) -> Iterator[Settings]:
    """The MLflow server of this module, its home and store, and `project` as the project root."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOXLOOP_PROJECT_ROOT", str(project))
        get_settings.cache_clear()
        yield get_settings()
    get_settings.cache_clear()


@pytest.fixture
def train(platform: Settings, tmp_path: Path) -> Train:
    """Run the pipeline with small sizes and return what came of it."""

    def run_small(**changes: object) -> RunResult:
        return RunResult.read(run("training", out=tmp_path / "run", overrides=spell_arguments(changes)))

    return run_small


@pytest.fixture(scope="module")
def passed(platform: Settings) -> RunResult:
    """What came of the retraining that passes its gate; it computes the steps the other tests find in the store."""
    first = spell_arguments({"bootstrap": True, "because": "the first of its kind"})
    return RunResult.read(retrain(episode="the first", overrides=first))


def spell_arguments(changes: dict[str, object]) -> tuple[str, ...]:
    arguments = {"policy": "easy"} | changes
    return tuple(f"{key}={json.dumps(value)}" for key, value in arguments.items())


def find_versions() -> dict[int, list[str]]:
    """Return the registered versions and their aliases, as MLflow has them."""
    from mlflow import MlflowClient

    client = MlflowClient(get_settings().mlflow_url)
    numbers = [int(version.version) for version in client.search_model_versions("name='emotion'")]
    return {number: list(client.get_model_version("emotion", str(number)).aliases) for number in numbers}


def read_json(result: RunResult, step: str, file: str) -> dict[str, object]:
    content: dict[str, object] = json.loads((Path(result.folders[step]["out"]) / file).read_text())
    return content


def test_a_pass_registers_a_challenger(passed: RunResult) -> None:
    result = passed
    assert set(result.tasks.values()) == {"SUCCEEDED"}
    assert set(result.tasks) == STEPS | ACTS | {"register"}
    assert (result.data_verdict, result.verdict) == ("PASS", "PASS")
    assert find_versions()[result.version or 0] == ["challenger"]
    assert read_json(result, "gate", "verdict.json")["verdict"] == "PASS"
    assert result.model_digest == read_json(result, "register", "version.json")["model_digest"]
    assert result.run_id == read_json(result, "track", "run.json")["run_id"]


def test_a_retraining_is_known_in_mlflow_and_says_what_it_learned(passed: RunResult, platform: Settings) -> None:
    from mlflow import MlflowClient

    client, asked = MlflowClient(platform.mlflow_url), Reason("emotion", ASKED, "the first").retrain_id
    run_of, version = client.get_run(str(passed.run_id)), client.get_model_version("emotion", str(passed.version))
    assert run_of.data.tags[RETRAIN_ID] == version.tags[RETRAIN_ID] == asked
    (retraining,) = list_retrainings(open_ledger(platform).read(), "emotion")
    (run_of_ledger,) = list_past_runs([retraining])
    learned = run_of_ledger.learned
    assert learned is not None
    training = read_json(passed, "train", "training.json")
    assert learned.hours == pytest.approx(training["audio_seconds"]["train"] / 3600)  # type: ignore[index]
    assert learned.labelled_hours is not None
    assert learned.labelled_hours > learned.hours > 0
    assert learned.gpu_hours is not None
    assert learned.gpu_hours > 0
    assert (learned.measure, learned.lead) == ("uar", None)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        pytest.param(
            {"policy": "severe", "bootstrap": True, "because": "a try"},
            "FAIL",
            id="worse than the floor",
            marks=in_soak(ONE_MORE),
        ),
        pytest.param({}, "CANNOT_TELL", id="no champion to compare with"),
    ],
)
def test_anything_but_a_pass_registers_nothing(train: Train, changes: dict[str, object], verdict: str) -> None:
    before = find_versions()
    result = train(**changes)
    assert result.verdict == verdict
    assert result.version is None
    assert {name for name, state in result.tasks.items() if state != "SUCCEEDED"} == {"register"}
    assert result.tasks["register"] == "SKIPPED"
    assert find_versions() == before


@pytest.fixture
def champion(passed: RunResult) -> Iterator[RunResult]:
    """Have the registered model in force for one test, by the stock client; afterwards there never was one."""
    from mlflow import MlflowClient

    client = MlflowClient(get_settings().mlflow_url)
    client.set_registered_model_alias("emotion", "champion", str(passed.version))
    yield passed
    client.delete_registered_model_alias("emotion", "champion")


@in_soak(ONE_MORE)
def test_a_model_worse_than_the_champion_registers_nothing(train: Train, champion: RunResult) -> None:
    before = find_versions()
    result = train(overrides=["optimiser.learning_rate=1.0e-9"])  # it learns nothing
    verdict = read_json(result, "gate", "verdict.json")
    assert result.verdict == "FAIL", verdict
    (reason,) = [reason for reason in verdict["reasons"] if reason["verdict"] != "PASS"]  # type: ignore[attr-defined]
    assert (reason["rule"], reason["measure"]) == ("comparison", "uar lead")
    assert reason["value"] < -0.03
    assert verdict["champion"]["model_digest"] == champion.model_digest  # type: ignore[index]
    assert result.version is None
    assert result.tasks["register"] == "SKIPPED"
    assert find_versions() == before


@in_soak(ONE_MORE)
def test_an_empty_evaluation_set_registers_nothing(train: Train) -> None:
    before = find_versions()
    shares = "split.shares={train: 0.8, dev: 0.2, test: 0.0}"
    result = train(corpus_overrides=[shares], bootstrap=True, because="a try")
    assert "CANNOT_TELL" in (result.data_verdict, result.verdict)
    assert result.verdict != "PASS"
    assert result.tasks["register"] == "SKIPPED"
    assert find_versions() == before


@in_soak("two minutes; kills between and in steps are counted in chaos")
def test_a_killed_run_goes_on_where_it_stopped(platform: Settings, train: Train, tmp_path: Path) -> None:
    changes: dict[str, object] = {"overrides": ["seed=8"]}
    kill_when_it_says("export …", spell_arguments(changes), tmp_path / "killed")
    assert not (tmp_path / "killed" / "result.json").exists()
    result = train(**changes)
    assert {"ingest", "validate", "leakage", "poison", "features", "train"} <= set(result.reused)
    assert "export" not in result.reused
    assert result.verdict == "CANNOT_TELL"


@in_soak("one run more; the store by itself is tried in every way")
def test_a_stored_result_with_one_byte_changed_is_not_used(platform: Settings, passed: RunResult, train: Train) -> None:
    (stored,) = find_stored(platform.store / "export", Path(passed.folders["export"]["out"]) / "model.onnx")
    flip_a_byte(stored)
    again = train()
    assert STEPS - set(again.reused) == {"export"}
    assert again.model_digest == passed.model_digest
    assert find_stored(platform.store / "export", Path(passed.folders["export"]["out"]) / "model.onnx") == [stored]


def test_an_absent_registry_is_worth_another_try(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not the same as no champion."""
    monkeypatch.setenv("VOXLOOP_PORTS__MLFLOW", "9")  # discard: nobody listens there
    get_settings.cache_clear()
    with pytest.raises(ServiceUnavailableError, match="step fetch-champion failed"):
        train()
    monkeypatch.undo()
    get_settings.cache_clear()


def test_dvc_has_nothing_to_do_the_second_time(
    platform: Settings, passed: RunResult, project: Path, tmp_path: Path
) -> None:
    assert set(passed.tasks) >= STEPS
    copy = tmp_path / "voxloop"
    shutil.copytree(project, copy)
    first = call(platform, copy, "dvc", "repro", cwd=copy)
    # The pipeline compared the model with what the registry had,
    # and the data with those accepted last, this lineage with nothing: other reports.
    assert set(re.findall(r"step (\w+): reused", first)) >= STEPS - {"evaluate", "validate"}
    assert "up to date" in call(platform, copy, "dvc", "repro", cwd=copy)
    evaluation = json.loads((copy / "data" / "evaluation" / "evaluation.json").read_text())
    assert evaluation["champion"] is None


def test_an_entry_point_of_mlproject_runs(platform: Settings, passed: RunResult, project: Path, tmp_path: Path) -> None:
    dataset = passed.folders["ingest"]["out"]
    out = tmp_path / "features"
    parameters = ["-P", f"dataset={dataset}", "-P", f"out={out}"]
    call(
        platform,
        project,
        "mlflow",
        "run",
        str(project),
        "--env-manager",
        "local",
        "-e",
        "features",
        *parameters,
        cwd=tmp_path,
    )
    assert (out / "_record.json").is_file()


def call(platform: Settings, project: Path, program: str, *arguments: str, cwd: Path) -> str:
    """Run a program of this environment, the environment's programs first on its PATH, and return what it printed."""
    programs = Path(sys.executable).parent
    environment = child_environment(
        {
            "PATH": f"{programs}{os.pathsep}{os.defpath}",
            "VOXLOOP_PROJECT_ROOT": str(project),
            "MLFLOW_TRACKING_URI": platform.mlflow_url,
            "DVC_SITE_CACHE_DIR": str(project.parent / "dvc-cache"),
        }
    )
    done = subprocess.run(
        [programs / program, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def kill_when_it_says(words: str, overrides: tuple[str, ...], out: Path) -> None:
    """Start `voxloop run training`, kill its whole process group once it prints `words`."""
    sets = [part for override in overrides for part in ("--set", override)]
    command = [sys.executable, "-m", "voxloop", "run", "training", "--out", str(out), *sets]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=child_environment(), start_new_session=True
    ) as process:
        seen = []
        for line in process.stdout or ():
            seen.append(line)
            if line.startswith(words):
                os.killpg(process.pid, signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL, seen


def find_stored(step: Path, like: Path) -> list[Path]:
    """Return the files of the job store that hold the same bytes as `like`."""
    return [path for path in step.glob(f"*/{like.name}") if path.read_bytes() == like.read_bytes()]


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(0o444)
