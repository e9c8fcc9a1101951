"""kfp.local's output, sorted: what a person sees, what is kept, what a failure is named after."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from voxloop.runners.kfp_log import StepLog

TASK = "\x1b[96m'train'\x1b[0m"
START = f"10:54:24.097 - INFO - Executing task {TASK}\n10:54:24.097 - INFO - Streamed logs:\n\n"
INPUTS = (
    "    [KFP Executor 2026-11-20 10:54:24,167 INFO]: Got executor_input:\n"
    '    {\n        "inputs": {\n            "secret": {}\n        }\n    }\n'
)
TRACEBACK = (
    "    Traceback (most recent call last):\n"
    '      File "train.py", line 1, in train\n'
    "        raise ConfigError(\n"
    "    voxloop.errors.ConfigError: lr = -1; it must be above 0; correct lr\n"
)


def write(tmp_path: Path, *pieces: str) -> tuple[str, StepLog, str]:
    screen = io.StringIO()
    with StepLog(tmp_path / "kfp.log", screen) as log:
        for piece in pieces:
            log.write(piece)
    return screen.getvalue(), log, (tmp_path / "kfp.log").read_text()


def end(state: str) -> str:
    return f"10:54:25.174 - INFO - Task {TASK} finished with status \x1b[92m{state}\x1b[0m\n"


def test_shows_steps_and_what_jobs_say_and_keeps_everything(tmp_path: Path) -> None:
    said = "    epoch 1: loss 1.5\n    {not json}\n"
    screen, log, kept = write(tmp_path, START, INPUTS, said, end("SUCCESS"))
    lines = screen.splitlines()
    assert lines[:3] == ["train …", "    epoch 1: loss 1.5", "    {not json}"]
    assert lines[3].startswith("train done in ")
    assert len(lines) == 4
    assert kept == START + INPUTS + said + end("SUCCESS")
    assert (log.running, log.failed) == ("", "")


def test_takes_lines_in_any_pieces(tmp_path: Path) -> None:
    text = START + INPUTS + "    step train: reused 0123456789ab\n" + end("SUCCESS")
    whole, _, _ = write(tmp_path, text)
    (tmp_path / "kfp.log").unlink()
    pieces, log, _ = write(tmp_path, *text)
    assert pieces.splitlines()[:2] == whole.splitlines()[:2]
    assert log.reused == ["train"]


def test_keeps_the_last_line_of_a_traceback(tmp_path: Path) -> None:
    screen, log, _ = write(tmp_path, START, TRACEBACK, end("FAILURE"))
    assert log.failed == "train"
    assert log.error == "voxloop.errors.ConfigError: lr = -1; it must be above 0; correct lr"
    assert "Traceback" not in screen
    assert "train FAILED after" in screen


def test_an_error_of_an_earlier_step_is_forgotten(tmp_path: Path) -> None:
    _, log, _ = write(tmp_path, START, TRACEBACK, end("SUCCESS"), START.replace("train", "export"))
    assert (log.running, log.error) == ("export", "")


@pytest.mark.parametrize("line", ["    Output: 'PASS'\n", "-----\n", "    out: Artifact( name='out',\n"])
def test_hides_what_kfp_says_between_steps(tmp_path: Path, line: str) -> None:
    screen, _, kept = write(tmp_path, line)
    assert screen == ""
    assert kept == line
