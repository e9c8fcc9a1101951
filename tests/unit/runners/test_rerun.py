"""One step of a run done again: from what it was done from, and held against what it gave."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.unit.runners.recorded_run import ARGUMENTS, finish
from tests.unit.training.tones import TINY, tone_rows, write_tones
from voxloop.cli import COMMANDS, STEPS, run_command
from voxloop.errors import InputError, IntegrityError
from voxloop.jobs.train import train
from voxloop.runners import rerun as rerunning
from voxloop.runners.compile import compile_pipeline
from voxloop.runners.recorded_outputs import compare, draw_table, judge
from voxloop.runners.rerun import rerun
from voxloop.runners.result import RunResult
from voxloop.settings import Settings
from voxloop.store.atomic import remove_tree
from voxloop.store.digests import digest_file
from voxloop.store.job_store import run_step
from voxloop.store.step_record import StepRecord


def nothing(_folder: Path) -> None:
    """Write no file."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a package and a dataset, made once."""
    folder = tmp_path_factory.mktemp("made")
    compile_pipeline("training", folder / "pipeline.yaml")
    write_tones(folder / "dataset", tone_rows({"train": 2, "dev": 1}))
    return folder


@pytest.fixture
def run(settings: Settings, made: Path) -> Path:
    """Return the folder of a run that has come as far as `train`."""
    folder = settings.home / "runs" / "training-1"
    attempt = folder / "steps" / "training-attempt"
    dataset = shutil.copytree(made / "dataset", attempt / "ingest" / "out")
    finish(attempt / "ingest", dataset)
    inner = attempt / "condition-1"
    # A family that hears for itself reads none of the tables.
    tables = run_step("features", inputs={"dataset": dataset}, config={}, out=inner / "features" / "out", work=nothing)
    finish(inner / "features", tables)
    epoch = (*TINY, "epochs=1")
    weights = train(dataset, inner / "train" / "out", config="smoke", features=tables, overrides=epoch)
    finish(inner / "train", weights)
    shutil.copy(made / "pipeline.yaml", folder)
    RunResult("training", "local", dict(ARGUMENTS), {}).write(folder)
    return folder


def test_a_step_done_again_gives_the_same(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = rerun("training-1", "train")
    said = capsys.readouterr().out
    assert out == run / "reruns" / "train-1"
    assert "step train: computed" in said.partition("done again")[0]
    assert "weights.safetensors  PASS" in said
    assert "input dataset" in said
    assert "PASS: all 4 outputs are the recorded ones, byte for byte" in said


def test_another_result_is_a_difference_and_exit_code_4(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from voxloop.training import fit

    monkeypatch.setattr(fit, "draw_curves", lambda *parts: parts[-1].write_bytes(b"another picture"))
    assert run_command(["rerun", str(run), "train"]) == IntegrityError.exit_code
    said = capsys.readouterr()
    assert "1 of 4 outputs of train are not the recorded ones: curves.png" in said.err
    assert "FAIL" in said.out


def test_other_inputs_are_refused_before_anything_is_computed(run: Path, tmp_path: Path) -> None:
    dataset = run / "steps" / "training-attempt" / "ingest" / "out"
    (dataset / "more.txt").write_text("x")
    with pytest.raises(IntegrityError, match="its input dataset is not what step train was computed from"):
        rerun(str(run), "train", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_record_somebody_wrote_is_not_believed(run: Path, tmp_path: Path) -> None:
    path = run / "steps" / "training-attempt" / "condition-1" / "train" / "out" / "_record.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"outputs": {}}))
    with pytest.raises(IntegrityError, match="has no record that this runner sealed"):
        rerun(str(run), "train", tmp_path / "out")


def test_a_step_that_failed_is_done_again_with_nothing_to_compare(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remove_tree(run / "steps" / "training-attempt" / "condition-1" / "train")
    assert (rerun(str(run), "train", tmp_path / "out") / "weights.safetensors").is_file()
    assert "there is nothing to compare with" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "step", "message"),
    [
        ("training-2", "train", "no run 'training-2'.*; the newest runs in .* are training-1; name one of them"),
        ("training-1", "tran", "no step 'tran' in this run; its steps are accept, evaluate, export"),
        (
            "training-1",
            "fetch-champion",
            "fetch-champion is an act; only steps give the same again; name one of ingest",
        ),
        ("training-1", "export", "done again"),
        ("training-1", "evaluate", "evaluate did not get all it reads: export, fetch-champion did not run"),
    ],
)
def test_what_cannot_be_done_again_is_said_in_one_line(
    run: Path, name: str, step: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise InputError("done again")

    monkeypatch.setattr(rerunning, "_call", refuse)
    with pytest.raises(InputError, match=message):
        rerun(name, step)


def test_a_run_of_a_cluster_is_refused(run: Path) -> None:
    RunResult("training", "kubeflow", dict(ARGUMENTS), {}).write(run)
    with pytest.raises(InputError, match="is no local run with its steps; it was run by kubeflow"):
        rerun(str(run), "train")


def test_the_newest_attempt_is_the_one_done_again(run: Path) -> None:
    (run / "steps" / "training-earlier").mkdir()
    os.utime(run / "steps" / "training-earlier", (0, 0))
    assert rerunning.read_step(run, "train").outputs["out"].is_dir()


def test_the_steps_are_those_of_the_command_line() -> None:
    assert set(rerunning.STEPS) == {command.name for command in COMMANDS if command.group is STEPS}


GOLDEN = {"challenger_digest": "a", "challenger_ms": 7.0, "champion_ms": 7.2, "words_on_silence": 3.0}


def write_golden(folder: Path, changes: dict[str, object]) -> StepRecord:
    """Write a folder of `evaluate` as far as it is compared, and return its record."""
    folder.mkdir()
    (folder / "golden.json").write_text(json.dumps(GOLDEN | changes))
    (folder / "evaluation.json").write_text("{}")
    outputs = {name: digest_file(folder / name) for name in ("evaluation.json", "golden.json")}
    record = StepRecord("evaluate", "key", {}, {}, "code", outputs)
    (folder / "_record.json").write_text(json.dumps(asdict(record)))
    return record


def test_times_are_no_difference_and_it_is_said_that_they_were_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = write_golden(tmp_path / "before", {})
    write_golden(tmp_path / "now", {"challenger_ms": 8.5, "champion_ms": 6.0})
    rows = compare(record, tmp_path / "before", tmp_path / "now")
    assert any(line.endswith("without challenger_ms, champion_ms") for line in draw_table(rows))
    judge("evaluate", rows)
    assert "of golden.json all but challenger_ms, champion_ms, which are measured" in capsys.readouterr().out


@pytest.mark.parametrize("change", [{"words_on_silence": 4.0}, {"champion_ms": None}, {"more": 1}])
def test_what_is_no_time_must_be_the_same_beside_one(tmp_path: Path, change: dict[str, object]) -> None:
    record = write_golden(tmp_path / "before", {})
    write_golden(tmp_path / "now", {"challenger_ms": 8.5} | change)
    rows = compare(record, tmp_path / "before", tmp_path / "now")
    with pytest.raises(IntegrityError, match="1 of 2 outputs of evaluate are not the recorded ones: golden.json"):
        judge("evaluate", rows)


def test_times_that_somebody_changed_meanwhile_are_not_compared_with(tmp_path: Path) -> None:
    record = write_golden(tmp_path / "before", {})
    write_golden(tmp_path / "now", {"challenger_ms": 8.5})
    (tmp_path / "before" / "golden.json").write_text(json.dumps(GOLDEN | {"challenger_ms": 1.0}))
    with pytest.raises(IntegrityError, match=r"golden\.json is not what the step wrote"):
        compare(record, tmp_path / "before", tmp_path / "now")


def test_the_times_left_out_are_fields_of_the_report() -> None:
    from voxloop.evaluation.golden import MEASURED, GoldenReport

    assert set(MEASURED) < set(GoldenReport.model_fields)
