"""How a DAG's task runs `voxloop …`: as a process of its own, its output in the task's log, its exit code obeyed.

Imported by every DAG file, again and again: it loads nothing heavy, and Airflow's exceptions only when one is raised.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from voxloop.errors import ServiceUnavailableError, TrainingInterruptedError

TRANSIENT = (ServiceUnavailableError.exit_code, TrainingInterruptedError.exit_code)
DRAFT: dict[str, Any] = {"$schema": "http://json-schema.org/draft-07/schema#"}
"""Of JSON Schema, for the parameters of a DAG. Airflow checks each parameter's schema at every parse: 0.1 to 0.2 ms by
this draft, 0.3 to 0.4 by the newest, which it takes where none is named."""
ENDED_FROM_OUTSIDE = (128 + signal.SIGTERM, 128 + signal.SIGKILL)  # as a shell, or our own handler, says it
GRACE = 45.0  # s a command is given to leave after SIGTERM: a training saves a checkpoint first


def run_command(arguments: Sequence[str]) -> str:
    """Run `voxloop` with these arguments and copy what it prints, line by line, to standard output.

    Args:
        arguments: What follows `voxloop` on the command line.

    Returns:
        The last line printed.

    Raises:
        AirflowException: Exit code 75 (a server does not answer), 85 (a training stopped at a checkpoint), or killed by
            a signal (memory, a stopping machine): Airflow tries again.
        AirflowFailException: Any other exit code but 0: trying again cannot help, Airflow stops.
    """
    executable = Path(sys.executable).with_name("voxloop")
    return run_process([str(executable), *arguments])


def run_process(argv: Sequence[str]) -> str:
    """Run any command under the rules of `run_command`."""
    from airflow.sdk.exceptions import AirflowFailException

    print("$", *argv, flush=True)
    try:
        process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace"
        )
    except OSError as missing:
        raise AirflowFailException(f"{argv[0]} does not start: {missing}") from None
    last = copy_output(process)
    judge_exit(process.returncode, last)
    return last


def copy_output(process: subprocess.Popen[str]) -> str:
    """Print what a process prints until it ends and return its last line; when interrupted, take it along."""
    last = ""
    with process:  # leaving it waits for the process: so it is ended inside
        try:
            for line in process.stdout or ():
                print(line, end="", flush=True)
                last = line.strip() or last
        except BaseException:
            end_process(process)
            raise
    return last


def end_process(process: subprocess.Popen[str]) -> None:
    """Stop a process: asked first, killed after `GRACE` seconds."""
    process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def judge_exit(code: int, last: str) -> None:
    """Turn an exit code into what Airflow understands; see `run_command`."""
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    if code in (*TRANSIENT, *ENDED_FROM_OUTSIDE) or code < 0:
        raise AirflowException(f"exit {code}, worth another try: {last}")
    if code:
        raise AirflowFailException(f"exit {code}, final: {last}")
