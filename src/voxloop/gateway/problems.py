"""Refusals as problem details (RFC 9457): what is wrong, the rule, the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

from voxloop.errors import InputError, VoxloopError

MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "The request is broken",
    401: "No key",
    403: "Not with this key",
    404: "No such place",
    405: "Not this method",
    408: "The body did not arrive",
    413: "Too large",
    415: "Not this kind of content",
    422: "The content cannot be used",
    429: "Too often",
    500: "A fault of the gateway",
    503: "Not now",
}


class ProblemError(VoxloopError):
    """A request that is refused.

    Args:
        status: Of `TITLES`.
        problem: What is wrong, naming the value.
        rule: The rule it breaks.
        remedy: What to do about it.
        headers: To send along.
    """

    def __init__(
        self, status: int, problem: str, *, rule: str = "", remedy: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(problem, rule=rule, remedy=remedy)
        self.status = status
        self.headers = dict(headers or {})


def problem_of(error: Exception, retry_after: int) -> ProblemError:
    """Return any error as a problem: what was asked for is 422, what a server does not answer 503.

    Args:
        error: Raised while a request was answered.
        retry_after: Seconds to tell when trying again can help.
    """
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, InputError):
        return ProblemError(422, error.problem, rule=error.rule, remedy=error.remedy)
    if isinstance(error, VoxloopError):
        wait = {"Retry-After": str(retry_after)}
        return ProblemError(503, error.problem, rule=error.rule, remedy=error.remedy, headers=wait)
    return ProblemError(500, "the gateway failed", remedy="tell who runs it the request id")


def describe_problem(problem: ProblemError, request_id: str) -> dict[str, Any]:
    """Return the fields that say it."""
    return {
        "type": "about:blank",
        "title": TITLES.get(problem.status, "Refused"),
        "status": problem.status,
        "detail": _clean(problem.problem),
        "rule": _clean(problem.rule),
        "remedy": _clean(problem.remedy),
        "instance": f"urn:voxloop:request:{request_id}",
    }


def write_problem(problem: ProblemError, request_id: str) -> JSONResponse:
    """Return the response that says it."""
    content = describe_problem(problem, request_id)
    return JSONResponse(content, status_code=problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


def _clean(text: str) -> str:
    """A message may quote what was sent: half characters are no JSON."""
    return text.encode("utf-8", "replace").decode()
