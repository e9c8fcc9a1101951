"""MLflow: how its server is started, how it is reached, and what its failures mean."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from voxloop.adapters.direct_http import open_directly
from voxloop.adapters.mlflow_sign_in import sign_in
from voxloop.errors import ServiceUnavailableError, VoxloopError

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from voxloop.settings import Settings

# The job runner of the server starts eight more processes of 160 MB (measured) and outlives a stopped server.
SERVER_ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def server_argv(settings: Settings) -> list[str]:
    """Return the command that starts the tracking server and registry: SQLite, local artifacts, one worker.

    Behind our app (`voxloop.approval_app`) nothing is answered without an account and nothing is written that its role
    may not. The command sets its own environment through `env`, so that no caller can forget it. Healthy when
    `GET /health` answers 200 (10 to 25 s on two busy cores).
    """
    place = settings.home / "mlflow"
    place.mkdir(parents=True, exist_ok=True)
    return [
        "/usr/bin/env",
        *(f"{name}={value}" for name, value in (SERVER_ENVIRONMENT | settings.environment()).items()),
        *(sys.executable, "-m", "mlflow", "server", "--app-name", "voxloop"),
        *("--host", settings.host, "--port", str(settings.ports.mlflow), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{place / 'mlflow.db'}"),
        *("--artifacts-destination", str(place / "artifacts")),
    ]


def connect(settings: Settings) -> MlflowClient:
    """Return a client of the tracking server, signed in, that gives up in seconds instead of minutes.

    Raises:
        ServiceUnavailableError: The server does not answer.
    """
    require_server(settings)
    from mlflow import MlflowClient, environment_variables, telemetry

    import_without_header_plugins()
    sign_in(settings)
    variables: Any = environment_variables
    variables.MLFLOW_DISABLE_TELEMETRY.set(True)
    variables.MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR.set(False)
    variables.MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT.set(True)
    variables.MLFLOW_HTTP_REQUEST_MAX_RETRIES.set(2)
    variables.MLFLOW_HTTP_REQUEST_TIMEOUT.set(60)
    reporter: Any = telemetry
    reporter.set_telemetry_client()  # it was chosen on import, before the line that turns it off
    return MlflowClient(tracking_uri=settings.mlflow_url, registry_uri=settings.mlflow_url)


def import_without_header_plugins() -> None:
    """Import MLflow's request headers without the plugins that add to them.

    Feast registers one, and the first request would import all of Feast: 8 s in every job that asks MLflow.
    """
    from mlflow.utils import plugins

    seam: Any = plugins
    find = seam.get_entry_points
    seam.get_entry_points = lambda group: [] if group == "mlflow.request_header_provider" else find(group)
    try:
        import mlflow.tracking.request_header.registry  # noqa: F401
    finally:
        seam.get_entry_points = find


def require_server(settings: Settings) -> None:
    """Raise `ServiceUnavailableError` unless the tracking server answers within five seconds."""
    try:
        with open_directly().open(f"{settings.mlflow_url}/health", timeout=5):
            return
    except OSError as silent:
        raise unavailable(settings, silent) from None


def unavailable(settings: Settings, cause: object) -> ServiceUnavailableError:
    """Return the error that says MLflow does not answer, where it was asked and what to do."""
    return ServiceUnavailableError(
        f"MLflow does not answer at {settings.mlflow_url} ({cause})",
        rule="runs and model versions are kept there",
        remedy="look at `voxloop status`, start it with `voxloop up`",
    )


@contextmanager
def translated(settings: Settings) -> Iterator[None]:
    """Turn MLflow's own exceptions into ours: a lost connection is transient, a refusal is final."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException

    try:
        yield
    except RequestException as lost:
        raise unavailable(settings, type(lost).__name__) from lost
    except MlflowException as failed:
        if read_status(failed) >= 500:
            raise unavailable(settings, failed.message.splitlines()[0][:200]) from failed
        raise VoxloopError(f"MLflow refused: {failed.message.splitlines()[0][:300]}") from failed


def read_status(failed: Any) -> int:
    """Return the HTTP status an MlflowException stands for; 500 when it is the client's own."""
    return int(failed.get_http_status_code())
