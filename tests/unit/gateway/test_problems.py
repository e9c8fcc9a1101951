from __future__ import annotations

import json

import pytest

from voxloop.errors import InputError, IntegrityError, RefusedError, ServiceUnavailableError
from voxloop.gateway.problems import ProblemError, problem_of, write_problem


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (InputError("9 is wrong", rule="at most 8", remedy="send 8"), 422, "9 is wrong"),
        (ServiceUnavailableError("away"), 503, "away"),
        (IntegrityError("changed"), 503, "changed"),
        (RefusedError("off"), 503, "off"),
        (ProblemError(415, "half \ud800"), 415, "half ?"),
        (KeyError("a secret of ours"), 500, "the gateway failed"),
    ],
)
def test_every_error_is_a_problem(error: Exception, status: int, detail: str) -> None:
    response = write_problem(problem_of(error, 7), "id")
    said = json.loads(bytes(response.body))
    assert (response.status_code, said["status"], said["detail"]) == (status, status, detail)
    assert response.media_type == "application/problem+json"
    assert response.headers.get("retry-after") == ("7" if status == 503 else None)
    assert "secret" not in str(said)
