"""Where the time of a run went, told from a log as kfp.local 2.16 and its executor write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.orchestration import main, measure, split
from voxloop.errors import InputError
from voxloop.runners.result import RunResult
from voxloop.runners.step_times import read_times

BEGIN = "23:59:58.000 - INFO - Running pipeline: \x1b[95m'training'\x1b[0m\n-----\n"
END = "00:00:20.000 - INFO - Pipeline \x1b[95m'training'\x1b[0m finished with status \x1b[92mSUCCESS\x1b[0m\n"


def tell(step: str, begun: str, entered: str, left: str, ended: str, said: str = "", state: str = "SUCCESS") -> str:
    """Return what is logged of a step; the executor's stamps have a comma and a date."""
    name = f"\x1b[96m'{step}'\x1b[0m"
    lines = [
        f"{begun} - INFO - Executing task {name}",
        f"    [KFP Executor 2026-01-01 {begun.replace('.', ',')} INFO]: Looking for component `{step}`",
        f"    [KFP Executor 2026-01-01 {entered.replace('.', ',')} INFO]: Got executor_input:",
        *([f"    {said}"] if said else []),
        f"    [KFP Executor 2026-01-01 {left.replace('.', ',')} INFO]: Wrote executor output file to /x.",
        f"{ended} - INFO - Task {name} finished with status \x1b[92m{state}\x1b[0m",
    ]
    return "\n".join(lines) + "\n"


TRAIN = tell(
    "train", "23:59:59.000", "00:00:01.000", "00:00:09.000", "00:00:09.500", "step train: computed ab12 in 6.5 s"
)
KEPT = tell("export", "00:00:10.000", "00:00:10.500", "00:00:12.000", "00:00:12.250", "step export: reused ab12")
GATE = tell("gate", "00:00:13.000", "00:00:14.000", "00:00:17.000", "00:00:18.000")


def write_run(folder: Path, *pieces: str) -> Path:
    folder.mkdir(exist_ok=True)
    RunResult("training", "local", {"task": "asr"}, {}).write(folder)
    (folder / "kfp.log").write_text("".join(pieces))
    return folder


def test_a_step_of_each_kind_over_midnight(tmp_path: Path) -> None:
    failed = tell("ingest", "23:00:00.000", "23:00:01.000", "23:00:02.000", "23:00:03.000", state="FAILURE")
    run = read_times(write_run(tmp_path, BEGIN, failed, BEGIN, TRAIN, KEPT, GATE, END) / "kfp.log")
    assert run.wall == 22.0
    assert [step.step for step in run.steps] == ["train", "export", "gate"]
    train, kept, gate = run.steps
    assert split(train) == (10.5, 6.5, 1.5, 2.0, 0.5)
    assert split(kept) == (2.25, 0.0, 1.5, 0.5, 0.25)
    assert split(gate) == (5.0, 3.0, 0.0, 1.0, 1.0)
    assert (train.reused, kept.reused, gate.work) == (False, True, None)
    finding = measure([run, run])
    assert (finding.ours, finding.peer, finding.holds) == (25.0, 44.0, False)


def test_only_the_last_attempt_counts(tmp_path: Path) -> None:
    run = read_times(write_run(tmp_path, BEGIN, TRAIN, BEGIN, KEPT, END) / "kfp.log")
    assert [step.step for step in run.steps] == ["export"]


def test_what_tells_of_no_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_times(tmp_path / "kfp.log")
    with pytest.raises(InputError, match="tells of no step that came to its end"):
        read_times(write_run(tmp_path, BEGIN, END) / "kfp.log")


def test_the_benchmark_ends_in_one_line_over_all_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = tell(
        "train", "00:00:00.000", "00:00:00.100", "00:08:20.100", "00:08:20.200", "step train: computed a in 499.0 s"
    )
    folders = [write_run(tmp_path / name, f"{BEGIN}{long}") for name in ("one", "other")]
    assert main([str(folder) for folder in folders]) == 0
    *tables, last = capsys.readouterr().out.splitlines()
    assert last.startswith('{"what": "orchestration: ')
    assert '"holds": true' in last
    assert len([line for line in tables if line.startswith("train ")]) == 2
