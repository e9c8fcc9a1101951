"""kfp.local for real, with steps that cost nothing: branches both ways, failures, a run used again, a stop."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.unit.runners.toy import compile_toy
from voxloop.errors import IntegrityError, ServiceUnavailableError, TrainingInterruptedError, VoxloopError
from voxloop.runners.kfp_local import run_local
from voxloop.runners.kfp_package import read_package, read_steps, respell_conditions
from voxloop.runners.result import RunResult


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_toy(tmp_path_factory.mktemp("package") / "toy.yaml")


def run_toy(package: Path, out: Path, data: str, model: str) -> RunResult:
    return run_local("toy", package, {"data": data, "model": model}, out)


@pytest.mark.parametrize(
    ("data", "model", "ran"),
    [
        ("PASS", "PASS", {"ingest", "validate", "accept", "gate", "register"}),
        ("PASS", "FAIL", {"ingest", "validate", "accept", "gate"}),
        ("PASS", "CANNOT_TELL", {"ingest", "validate", "accept", "gate"}),
        ("CANNOT_TELL", "PASS", {"ingest", "validate", "accept"}),
    ],
)
def test_enters_the_branches_the_verdicts_open(
    package: Path, tmp_path: Path, data: str, model: str, ran: set[str]
) -> None:
    result = run_toy(package, tmp_path, data, model)
    assert {name for name, state in result.tasks.items() if state == "SUCCEEDED"} == ran
    assert {state for name, state in result.tasks.items() if name not in ran} <= {"SKIPPED"}
    assert result.data_verdict == data
    assert result.data_verdicts == {"validate": data}
    assert result.verdict == (model if "gate" in ran else None)
    assert result.version == (3 if "register" in ran else None)
    assert result.model_digest == ("d1" if "gate" in ran else None)
    assert Path(result.folders["validate"]["out"], "report.json").read_text() == "12"
    assert RunResult.read(tmp_path) == result


def test_leaves_the_root_logger_as_it_was(package: Path, tmp_path: Path) -> None:
    before = logging.getLogger().handlers[:]
    run_toy(package, tmp_path, "FAIL", "PASS")
    assert logging.getLogger().handlers == before


@pytest.mark.parametrize(
    ("model", "kind", "says"),
    [
        ("ServiceUnavailableError", ServiceUnavailableError, "step gate failed: the value is bad"),
        ("TrainingInterruptedError", TrainingInterruptedError, "step gate failed: the value is bad"),
        ("IntegrityError", IntegrityError, "step gate failed: the value is bad"),
        ("ValueError", VoxloopError, "step gate failed: ValueError: the value is bad"),
        ("EXIT", ServiceUnavailableError, "step gate was ended without a message"),
    ],
)
def test_a_failed_step_is_named_and_keeps_its_kind(
    package: Path, tmp_path: Path, model: str, kind: type[VoxloopError], says: str
) -> None:
    with pytest.raises(VoxloopError, match=says) as raised:
        run_toy(package, tmp_path, "PASS", model)
    assert type(raised.value) is kind
    result = RunResult.read(tmp_path)
    done = dict.fromkeys(("ingest", "validate", "accept"), "SUCCEEDED")
    assert result.tasks == {**done, "gate": "FAILED", "register": "SKIPPED"}
    assert result.error is not None
    assert (result.error["step"], result.error["transient"]) == ("gate", kind.transient)
    assert result.error["exit_code"] == kind.exit_code
    assert result.verdict is None


def test_a_folder_used_again_tells_of_the_last_attempt(package: Path, tmp_path: Path) -> None:
    with pytest.raises(VoxloopError):
        run_toy(package, tmp_path, "PASS", "EXIT")
    result = run_toy(package, tmp_path, "FAIL", "PASS")
    assert result.tasks["gate"] == "SKIPPED"
    assert result.error is None
    assert len(list((tmp_path / "steps").iterdir())) == 2


def test_a_branch_left_out_though_its_condition_holds_is_an_error(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conditions as compiled: kfp.local 2.16.1 takes none of them, says SUCCESS, and must not be believed."""
    monkeypatch.setattr("voxloop.runners.kfp_local.respell_conditions", lambda _spec: package.read_text())
    with pytest.raises(IntegrityError, match="step gate did not run"):
        run_toy(package, tmp_path, "PASS", "PASS")


def test_a_branch_entered_though_its_condition_does_not_hold_is_an_error(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "voxloop.runners.kfp_local.respell_conditions",
        lambda spec: respell_conditions(spec).replace("== 'PASS'", "!= 'PASS'"),
    )
    with pytest.raises(IntegrityError, match="step gate ran"):
        run_toy(package, tmp_path, "FAIL", "PASS")


def test_refuses_a_condition_it_could_not_check(package: Path) -> None:
    spec = read_package(package)
    spec["root"]["dag"]["tasks"]["condition-1"]["triggerPolicy"]["condition"] = "inputs.parameter_values['x'] != 'PASS'"
    with pytest.raises(VoxloopError, match="condition-1"):
        respell_conditions(spec)


def test_a_step_that_left_no_output_is_not_finished(package: Path, tmp_path: Path) -> None:
    steps = read_steps(read_package(package), tmp_path)
    assert {step.name for step in steps.values() if step.finished} == set()
    assert [branch.producer for branch in steps["register"].branches] == ["accept", "gate"]


def test_a_stopped_run_takes_its_step_along(package: Path, tmp_path: Path) -> None:
    arguments = json.dumps({"data": "PASS", "model": "HANG"})
    code = (
        "import json, sys\nfrom pathlib import Path\nfrom voxloop.runners.kfp_local import run_local\n"
        "run_local('toy', Path(sys.argv[1]), json.loads(sys.argv[2]), Path(sys.argv[3]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(package), arguments, str(tmp_path)], stdout=subprocess.DEVNULL
    )
    try:
        step = wait_for_pid(tmp_path)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 128 + signal.SIGTERM
        psutil.wait_procs([step], timeout=10)
        assert not step.is_running()
    finally:
        process.kill()


def wait_for_pid(out: Path) -> psutil.Process:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for note in out.glob("steps/*/condition-1/gate/out/pid"):
            if text := note.read_text():
                return psutil.Process(int(text))
        time.sleep(0.1)
    raise AssertionError(f"the step never started: {sorted(out.iterdir())}")
