"""What a person would see: versions and verdicts as MLflow's REST API tells them, and what Triton says it serves.

The demo ends on this, not on our own books.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from voxloop.adapters.mlflow_rest import find_alias, list_versions
from voxloop.adapters.mlflow_sign_in import Credentials, headers
from voxloop.errors import ServiceUnavailableError, VoxloopError
from voxloop.release.versions import APPROVAL, APPROVED, CHALLENGER, CHAMPION, FALLBACK, ModelVersion
from voxloop.settings import Settings

TIMEOUT = 30.0


@dataclass(frozen=True)
class Row:
    """One registered version and what became of it.

    Args:
        model: Registered model.
        version: Its number.
        digest: Digest of the model's bytes.
        aliases: What the registry calls it.
        measure: Its UAR on the night's test set with the interval, as text.
        difference: Challenger minus champion on the same rows with the interval, as text.
        verdict: What the gate said.
        is_served: Whether Triton has it loaded and ready.
    """

    model: str
    version: int
    digest: str
    aliases: tuple[str, ...]
    measure: str
    difference: str
    verdict: str
    is_served: bool


def collect_rows(settings: Settings, task: str) -> list[Row]:
    """Return every version of a task, oldest first.

    Raises:
        ServiceUnavailableError: MLflow does not answer.
    """
    named = {alias: find_alias(settings, task, alias) for alias in (CHAMPION, FALLBACK, CHALLENGER)}
    return [
        _read_row(settings, version, [alias for alias, bearer in named.items() if bearer == version])
        for version in list_versions(settings, task)
    ]


def approve(settings: Settings, approver: Credentials, task: str, version: int) -> None:
    """Set the tag `approval=approved` on a version by the REST call the MLflow UI makes.

    Args:
        settings: They say where MLflow is.
        approver: Who signs in.
        task: Registered model.
        version: Its number.

    Raises:
        ServiceUnavailableError: MLflow does not answer.
        VoxloopError: MLflow refused.
    """
    body = {"name": task, "version": str(version), "key": APPROVAL, "value": APPROVED}
    route = "ajax-api/2.0/mlflow/model-versions/set-tag"
    answer = _send(settings, "POST", route, json=body, headers=approver.header)
    if not answer.is_success:
        raise VoxloopError(f"MLflow refused the approval of {task} version {version}", rule=answer.text[:400])


def is_served(settings: Settings, model: str) -> bool:
    """Return whether Triton has a model loaded and ready; a silent Triton serves nothing."""
    try:
        answer = httpx.get(f"{settings.triton_url}/v2/models/{model}/ready", timeout=TIMEOUT, trust_env=False)
    except httpx.HTTPError:
        return False
    return answer.is_success


def show_rows(rows: list[Row]) -> str:
    """Return the rows as a table for a terminal."""
    head = ("model", "version", "alias", "digest", "UAR (95 % interval)", "against the champion", "verdict", "served")
    lines = [head, *(_as_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    texts = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    return "\n".join([texts[0], "  ".join("─" * width for width in widths), *texts[1:]])


def _as_cells(row: Row) -> tuple[str, ...]:
    served, digest = "yes" if row.is_served else "no", row.digest[:12]
    called = ", ".join(row.aliases) or "-"
    return row.model, str(row.version), called, digest, row.measure, row.difference, row.verdict, served


def _read_row(settings: Settings, version: ModelVersion, aliases: list[str]) -> Row:
    judgement = _get(settings, "get-artifact", path="verdict/verdict.json", run_uuid=version.run_id).json()
    return Row(
        model=version.task,
        version=version.number,
        digest=version.model_digest,
        aliases=tuple(aliases),
        measure=_show_interval(judgement["intervals"]["challenger"]),
        difference=_show_interval(judgement["interval"], sign="+") if judgement["champion"] else "the first",
        verdict=str(judgement["verdict"]),
        is_served=is_served(settings, version.serving_name),
    )


def _show_interval(interval: dict[str, Any] | None, sign: str = "") -> str:
    if interval is None or interval["low"] is None:
        return "cannot tell"
    low, high = (f"{interval[end]:{sign}.3f}" for end in ("low", "high"))
    return f"{interval['estimate']:{sign}.3f} ({low} to {high})"


def _get(settings: Settings, route: str, **query: str) -> httpx.Response:
    return _send(settings, "GET", route, params=query)


def _send(settings: Settings, method: str, route: str, **content: Any) -> httpx.Response:
    try:
        told = {"headers": headers(settings), **content}
        return httpx.request(method, f"{settings.mlflow_url}/{route}", timeout=TIMEOUT, trust_env=False, **told)
    except httpx.HTTPError as silent:
        raise ServiceUnavailableError(
            f"MLflow at {settings.mlflow_url} does not answer ({silent})", remedy="look at `voxloop status`"
        ) from None
