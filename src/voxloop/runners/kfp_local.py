"""A pipeline on this machine, in this environment, through kfp.local: no cluster, no container, no cache."""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from voxloop import errors
from voxloop.errors import IntegrityError, VoxloopError
from voxloop.runners.kfp_log import StepLog
from voxloop.runners.kfp_package import (
    LocalStep,
    Package,
    check_branches,
    read_package,
    read_steps,
    respell_conditions,
)
from voxloop.runners.result import FAILED, SKIPPED, SUCCEEDED, RunResult

DATA_JUDGES = ("validate", "leakage", "poison")
"""The steps whose verdicts `accept` takes together."""
GRACE = 40.0
"""Seconds a step is given to leave after SIGTERM: a training saves a checkpoint first."""


def run_local(pipeline: str, package: Path, arguments: Mapping[str, object], out: Path) -> RunResult:
    """Run a pipeline to its end and write `result.json` into `out`, also when it failed.

    Args:
        pipeline: Its name.
        package: The compiled pipeline, the same file a cluster would get.
        arguments: All of its arguments.
        out: Folder of the run: every step's folder, `kfp.log`, `result.json`. Used again, each attempt gets a folder
            of its own beside the earlier ones.

    Raises:
        VoxloopError: A step failed. The message names the step; class, exit code and `transient` are those of the
            error the job raised.
        IntegrityError: A branch ran that should not have, or the other way round.
    """
    out.mkdir(parents=True, exist_ok=True)
    spec = read_package(package)
    earlier = set((out / "steps").glob("*"))
    with StepLog(out / "kfp.log", sys.stdout) as log:
        failure = _execute(respell_conditions(spec), arguments, out, log)
    (folder,) = set((out / "steps").glob("*")) - earlier or {out / "steps" / "none"}
    result, steps = _read_result(pipeline, arguments, spec, folder, log, failure)
    result.write(out)
    if failure:
        raise failure
    check_branches(steps)
    return result


def _execute(package: str, arguments: Mapping[str, object], out: Path, log: StepLog) -> VoxloopError | None:
    """Run the package; return what stopped it, named after the step, or None."""
    from kfp import components, local

    # Caching: the task options compiled in say no, and kfp.local 2.16 has no cache of its own. The workspace is a
    # volume for steps that share files, which these do not; named here, kfp makes no temporary folder for it.
    local.init(
        local.SubprocessRunner(use_venv=False),
        pipeline_root=str(out / "steps"),
        workspace_root=str(out / "workspace"),
        raise_on_error=True,
    )
    try:
        with _listen(log), _stop_together():
            components.load_component_from_text(package)(**arguments)
    except RuntimeError as stopped:
        return _name_failure(log, stopped, out / "kfp.log")
    return None


@contextlib.contextmanager
def _listen(log: StepLog) -> Iterator[None]:
    """Send what kfp prints and logs to `log`, and leave the root logger as it was."""
    handler = logging.StreamHandler(log)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with contextlib.redirect_stdout(log), warnings.catch_warnings():
            # The image is not called python, and is not used here.
            warnings.filterwarnings("ignore", message="You may be attemping to run a task", category=RuntimeWarning)
            yield
    finally:
        root.removeHandler(handler)


@contextlib.contextmanager
def _stop_together() -> Iterator[None]:
    """Let SIGTERM end the running step too, and wait for it: kfp.local would leave it behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    import psutil

    here = psutil.Process()
    earlier = set(here.children(recursive=True))

    def stop(number: int, _frame: FrameType | None) -> None:
        children = set(here.children(recursive=True)) - earlier
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.terminate()
        for child in psutil.wait_procs(children, timeout=GRACE)[1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        raise SystemExit(128 + number)

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _name_failure(log: StepLog, stopped: RuntimeError, path: Path) -> VoxloopError:
    """Return the error a step ended with, as the class its traceback names."""
    if not (step := log.failed or log.running):
        raise stopped
    name, _, message = log.error.partition(": ")
    kind = getattr(errors, name.removeprefix("voxloop.errors."), None)
    if isinstance(kind, type) and issubclass(kind, VoxloopError):
        return kind(f"step {step} failed: {message}")
    if not log.error:  # a step that could not even print a traceback was ended from outside, for its memory perhaps
        return errors.ServiceUnavailableError(f"step {step} was ended without a message", remedy=f"see {path}")
    return VoxloopError(f"step {step} failed: {log.error}", remedy=f"its traceback is in {path}")


def _read_result(
    pipeline: str,
    arguments: Mapping[str, object],
    package: Package,
    folder: Path,
    log: StepLog,
    failure: VoxloopError | None,
) -> tuple[RunResult, dict[str, LocalStep]]:
    steps = read_steps(package, folder)
    failed = log.failed or log.running if failure else ""
    said = {name: verdict for name in DATA_JUDGES if (verdict := _value(steps, name, "Output")) is not None}
    result = RunResult(
        pipeline=pipeline,
        runner="local",
        arguments=dict(arguments),
        tasks={name: _state(step, failed) for name, step in steps.items()},
        reused=log.reused,
        folders={
            name: {key: str(path) for key, path in step.artifacts.items()}
            for name, step in steps.items()
            if step.finished
        },
        data_verdict=_value(steps, "accept", "Output"),
        data_verdicts=said,
        verdict=_value(steps, "gate", "Output"),
        model_digest=_read(steps, "gate", "verdict.json", "model_digest"),
        run_id=_read(steps, "track", "run.json", "run_id"),
        version=_read(steps, "register", "version.json", "version"),
        error=_describe(failed, failure) if failure else None,
    )
    return result, steps


def _state(step: LocalStep, failed: str) -> str:
    if step.finished:
        return SUCCEEDED
    return FAILED if step.folder.name == failed else SKIPPED


def _describe(step: str, failure: VoxloopError) -> dict[str, object]:
    return {
        "step": step,
        "kind": type(failure).__name__,
        "problem": str(failure),
        "transient": failure.transient,
        "exit_code": failure.exit_code,
    }


def _value(steps: Mapping[str, LocalStep], name: str, output: str) -> Any:
    return steps[name].values.get(output) if name in steps else None


def _read(steps: Mapping[str, LocalStep], name: str, file: str, key: str) -> Any:
    """Return one value a step wrote; None when the step did not run.

    Raises:
        IntegrityError: The step ran and did not write it.
    """
    if name not in steps or not steps[name].finished:
        return None
    path = steps[name].artifacts["out"] / file
    try:
        return json.loads(path.read_text(encoding="utf-8"))[key]
    except (OSError, ValueError, KeyError) as missing:
        raise IntegrityError(
            f"step {name} ended and {path} has no {key!r}",
            rule="a finished step has written what it promises",
            remedy=f"look into that folder ({type(missing).__name__})",
        ) from None
