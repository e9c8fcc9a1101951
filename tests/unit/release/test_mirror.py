"""What stays loaded: routes' models, and those that left a route so lately that requests to them may be on their way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.ledger.books import open_book
from voxloop.release.mirror import LEAVING, names_in_service
from voxloop.release.routes import Route, record_route
from voxloop.release.versions import serving_name

START = datetime(2026, 1, 5, tzinfo=UTC)
A, B, C = ("a" * 64, "b" * 64, "c" * 64)


@pytest.mark.parametrize(
    ("seconds", "needed"),
    [
        pytest.param(0, {A, B, C}, id="two swaps within a minute"),
        pytest.param(LEAVING.total_seconds() - 31, {A, B, C}, id="requests of the first may be on their way"),
        pytest.param(LEAVING.total_seconds() + 1, {B, C}, id="the fallback stays"),
    ],
)
def test_a_model_stays_until_its_last_requests_are_answered(tmp_path: Path, seconds: float, needed: set[str]) -> None:
    ledger, routes = open_book(tmp_path), [(A, None), (B, A), (C, B)]
    for number, (digest, fallback) in enumerate(routes):
        route = Route("emotion", {digest: 1.0}, None, True, "salt", fallback)
        record_route(ledger, route, act=str(number), at=START + timedelta(seconds=30 * number))
    at = START + timedelta(seconds=60 + seconds)
    assert names_in_service(ledger.read(), "emotion", at) == {serving_name("emotion", digest) for digest in needed}
