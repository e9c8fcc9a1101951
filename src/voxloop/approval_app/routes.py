"""MLflow's routes as the guard sees them. What is not written here is refused, so a new MLflow opens nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

OPEN = frozenset({("GET", "/health"), ("HEAD", "/health"), ("GET", "/version"), ("HEAD", "/version")})
"""What is answered without an account: whether the server lives, and which MLflow it is."""

# These read, though by POST. GraphQL has two mutations, which search too; a test holds that.
_READING = frozenset(
    f"/{door}/{path}"
    for door in ("api", "ajax-api")
    for path in (
        "2.0/mlflow/experiments/search",
        "2.0/mlflow/experiments/search-datasets",
        "2.0/mlflow/runs/search",
        "2.0/mlflow/logged-models/search",
        "2.0/mlflow/registered-models/get-latest-versions",
        "3.0/mlflow/datasets/search",
        "3.0/mlflow/traces/search",
        "3.0/mlflow/traces/metrics",
        "3.0/mlflow/traces/batchGetInfos",
    )
) | {"/graphql"}
# A GET that makes the server ask others, start programs, or hand out addresses at which nobody asks who comes.
_NOT_READ = re.compile(
    r"/gateway/.*|/(?:ajax-)?api/[23]\.0/(?:mlflow/(?:gateway|gateway-proxy|assistant)|mlflow-artifacts/presigned)(?:/.*)?",
    re.DOTALL,
)

EXPERIMENT_WRITES = frozenset(
    ("POST", f"experiments/{act}")
    for act in ("update", "delete", "restore", "set-experiment-tag", "delete-experiment-tag")
)
RUN_WRITES = frozenset(
    ("POST", f"runs/{act}")
    for act in (
        "update",
        "delete",
        "restore",
        "set-tag",
        "delete-tag",
        "log-metric",
        "log-parameter",
        "log-batch",
        "log-inputs",
    )
)
CREATE_EXPERIMENT, CREATE_RUN = ("POST", "experiments/create"), ("POST", "runs/create")
CREATE_MODEL, TAG_MODEL = ("POST", "registered-models/create"), ("POST", "registered-models/set-tag")
ALIAS_WRITES = frozenset({("POST", "registered-models/alias"), ("DELETE", "registered-models/alias")})
CREATE_VERSION, DESCRIBE_VERSION = ("POST", "model-versions/create"), ("PATCH", "model-versions/update")
TAG_VERSION, UNTAG_VERSION = ("POST", "model-versions/set-tag"), ("DELETE", "model-versions/delete-tag")
WRITES = (
    EXPERIMENT_WRITES
    | RUN_WRITES
    | ALIAS_WRITES
    | {CREATE_EXPERIMENT, CREATE_RUN, CREATE_MODEL, TAG_MODEL, CREATE_VERSION, DESCRIBE_VERSION}
    | {TAG_VERSION, UNTAG_VERSION}
)
"""Method and path below `2.0/mlflow/`. Models and versions are neither deleted nor renamed, by anybody."""
_WRITE = re.compile(r"/(?:ajax-)?api/2\.0/mlflow/([a-z-]+/[a-z-]+)")
# MLflow decodes what is percent-encoded once more, so a path with a percent sign is not the one it reads as.
_ARTIFACT = re.compile(
    r"/(?:ajax-)?api/2\.0/mlflow-artifacts/artifacts/([0-9]+)/([0-9a-f]{32})/artifacts((?:/[^/%\\\x00-\x1f]+)+)"
)


@dataclass(frozen=True)
class Artifact:
    """An artifact by its address: experiment, run, and its path within the run."""

    experiment: str
    run: str
    path: str


def is_read(method: str, path: str) -> bool:
    """Return whether a request changes nothing."""
    if method in ("GET", "HEAD", "OPTIONS"):
        return _NOT_READ.fullmatch(path) is None
    return method == "POST" and path in _READING


def find_write(method: str, path: str) -> tuple[str, str] | None:
    """Return the one of `WRITES` that is asked for; None when it is none."""
    found = _WRITE.fullmatch(path)
    asked = (method, found[1]) if found else None
    return asked if asked in WRITES else None


def find_artifact(method: str, path: str) -> Artifact | None:
    """Return the artifact that is to be written or deleted; None when it is something else, or somewhere else."""
    found = _ARTIFACT.fullmatch(path) if method in ("PUT", "DELETE") else None
    if found is None or {".", ".."} & set(found[3].split("/")):
        return None
    return Artifact(found[1], found[2], found[3].removeprefix("/"))
