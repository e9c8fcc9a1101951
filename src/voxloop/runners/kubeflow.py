"""A pipeline on a cluster: the compiled package is submitted to Kubeflow Pipelines and waited for."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from voxloop.errors import ConfigError, ServiceUnavailableError, VoxloopError
from voxloop.runners.result import RunResult
from voxloop.settings import get_settings

POLL_SECONDS = 10.0

# kfp.Client.wait_for_run_completion does not know CANCELED and waits for ever.
_FINAL = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")


class KubeflowClient(Protocol):
    """The two calls of `kfp.Client` a run needs."""

    def create_run_from_pipeline_package(
        self,
        pipeline_file: str,
        arguments: dict[str, Any] | None = None,
        run_name: str | None = None,
        *,
        experiment_name: str | None = None,
        enable_caching: bool | None = None,
    ) -> Any:
        """Submit a compiled package; the answer has a `run_id`."""

    def get_run(self, run_id: str) -> Any:
        """Return a run with its `state` and `run_details`."""


def run_on_kubeflow(
    pipeline: str,
    package: Path,
    arguments: Mapping[str, object],
    out: Path,
    *,
    client: KubeflowClient | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> RunResult:
    """Submit a pipeline, wait for its end and write `result.json` into `out`.

    The run of one folder is submitted once: asked again with the same `out`, the same run is waited for.

    Args:
        pipeline: Its name.
        package: The compiled pipeline.
        arguments: All of its arguments.
        out: Folder of the run on this side; what the steps write stays in the cluster's object store.
        client: The connection; by default to `settings.kubeflow_host`.
        sleep: Waits so many seconds between two looks.

    Raises:
        ConfigError: No Kubeflow host is set.
        ServiceUnavailableError: Kubeflow does not answer.
        VoxloopError: The run did not succeed; the message names the steps that failed.
    """
    out.mkdir(parents=True, exist_ok=True)
    client = client or _connect()
    job = _submit(client, pipeline, dict(arguments), package, out / "kubeflow-run-id")
    run = _wait(client, job, sleep)
    result = RunResult(
        pipeline=pipeline,
        runner="kubeflow",
        arguments=dict(arguments),
        tasks=_states(run),
        error=None if run.state == "SUCCEEDED" else _describe(run),
        job=job,
    )
    result.write(out)
    if result.error:
        raise VoxloopError(str(result.error["problem"]), remedy=f"open run {job} in the Kubeflow UI")
    return result


def _connect() -> KubeflowClient:
    if not (host := get_settings().kubeflow_host):
        raise ConfigError(
            "no Kubeflow host is set", rule="the runner is kubeflow", remedy="set VOXLOOP_KUBEFLOW_HOST to its address"
        )
    from kfp import Client

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # it announces that it needs KFP 2
        client: KubeflowClient = _reach(lambda: Client(host=host))
    return client


def _submit(client: KubeflowClient, pipeline: str, arguments: dict[str, Any], package: Path, note: Path) -> str:
    if note.is_file():
        return note.read_text(encoding="utf-8")
    answer = _reach(
        lambda: client.create_run_from_pipeline_package(
            str(package), arguments, note.parent.name, experiment_name=pipeline, enable_caching=False
        )
    )
    note.write_text(answer.run_id, encoding="utf-8")
    print(f"{pipeline}: submitted as Kubeflow run {answer.run_id}", flush=True)
    return str(answer.run_id)


def _wait(client: KubeflowClient, job: str, sleep: Callable[[float], None]) -> Any:
    state = ""
    while True:
        run = _reach(lambda: client.get_run(job))
        if run.state != state:
            state = run.state
            print(f"Kubeflow run {job}: {state}", flush=True)
        if state in _FINAL:
            return run
        sleep(POLL_SECONDS)


def _reach(call: Callable[[], Any]) -> Any:
    from kfp_server_api import ApiException
    from urllib3.exceptions import HTTPError

    try:
        return call()
    except ApiException as answer:
        # 4xx but for "too many requests": the same call gets the same answer.
        if 400 <= (answer.status or 0) < 500 and answer.status != 429:
            raise VoxloopError(
                f"Kubeflow Pipelines refused: {answer.status} {answer.reason}", remedy="correct what was asked for"
            ) from answer
        raise _unreachable(answer) from answer
    except (HTTPError, OSError) as lost:
        raise _unreachable(lost) from lost


def _unreachable(lost: Exception) -> ServiceUnavailableError:
    return ServiceUnavailableError(
        f"Kubeflow Pipelines does not answer: {type(lost).__name__} {lost}",
        remedy="try again; a run once submitted goes on without us",
    )


def _states(run: Any) -> dict[str, str]:
    return {task.display_name: str(task.state) for task in _details(run)}


def _describe(run: Any) -> dict[str, object]:
    failed = [task.display_name for task in _details(run) if task.state == "FAILED"]
    problem = f"Kubeflow run {run.run_id} ended {run.state}" + (f" in {', '.join(failed)}" if failed else "")
    return {"step": ", ".join(failed), "kind": "VoxloopError", "problem": problem, "transient": False, "exit_code": 1}


def _details(run: Any) -> Iterable[Any]:
    return (run.run_details and run.run_details.task_details) or ()
