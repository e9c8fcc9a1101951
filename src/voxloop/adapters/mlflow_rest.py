"""What is asked of the registry often and answered by one call: importing mlflow takes seconds, this does not."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

from voxloop.adapters.direct_http import open_directly
from voxloop.adapters.mlflow import unavailable
from voxloop.adapters.mlflow_sign_in import headers
from voxloop.errors import VoxloopError
from voxloop.release.versions import ModelVersion

if TYPE_CHECKING:
    from voxloop.settings import Settings

# How the registry says "no such alias, version or model": the code differs between stores and calls.
ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


class _RefusalError(VoxloopError):
    code = ""


def find_alias(settings: Settings, task: str, alias: str) -> ModelVersion | None:
    """Return the version that carries `alias`, asked by that very name.

    Raises:
        ServiceUnavailableError: The server does not answer; that is not the same as no such version.
    """
    try:
        return _read(_get(settings, "registered-models/alias", name=task, alias=alias)["model_version"])
    except _RefusalError as refused:
        if refused.code in ABSENT:
            return None
        raise


def list_versions(settings: Settings, task: str) -> list[ModelVersion]:
    """Return all versions of a task's model, oldest first; none when the task has no model yet.

    Raises:
        ServiceUnavailableError: The server does not answer.
    """
    versions: list[ModelVersion] = []
    query = {"filter": f"name = '{task}'", "max_results": "1000"}
    while True:
        page = _get(settings, "model-versions/search", **query)
        versions += [_read(version) for version in page.get("model_versions", [])]
        if not (token := page.get("next_page_token")):
            return sorted(versions, key=lambda version: version.number)
        query["page_token"] = token


def read_model_tags(settings: Settings, task: str) -> dict[str, str]:
    """Return the tags of the registered model of a task; none when it has no model yet.

    Raises:
        ServiceUnavailableError: The server does not answer.
    """
    try:
        found = _get(settings, "registered-models/get", name=task)["registered_model"]
    except _RefusalError as refused:
        if refused.code in ABSENT:
            return {}
        raise
    return {tag["key"]: tag["value"] for tag in found.get("tags", [])}


def _read(found: dict[str, Any]) -> ModelVersion:
    tags = {tag["key"]: tag["value"] for tag in found.get("tags", [])}
    return ModelVersion(found["name"], int(found["version"]), found.get("run_id", ""), tags)


def _get(settings: Settings, path: str, **query: str) -> dict[str, Any]:
    url = f"{settings.mlflow_url}/api/2.0/mlflow/{path}?{urllib.parse.urlencode(query)}"
    try:
        request = urllib.request.Request(url, headers=headers(settings))  # noqa: S310 - our own server's address
        with open_directly().open(request, timeout=30) as answer:
            content: dict[str, Any] = json.load(answer)
            return content
    except urllib.error.HTTPError as refused:
        if refused.code >= 500:
            raise unavailable(settings, refused) from None
        code = _read_error_code(refused)
        refusal = _RefusalError(f"MLflow refused {path} ({code})", remedy="check the name of the task")
        refusal.code = code
        raise refusal from None
    except OSError as silent:
        raise unavailable(settings, silent) from None


def _read_error_code(refused: urllib.error.HTTPError) -> str:
    with refused:
        try:
            return str(json.load(refused)["error_code"])
        except (ValueError, KeyError, TypeError):
            return f"HTTP {refused.code}"
