from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from voxloop.errors import InputError
from voxloop.gateway.bodies import Asked, Words
from voxloop.gateway.key_commands import add
from voxloop.gateway.keys import PLATFORM
from voxloop.gateway.recording import Attempt, Caller, Recorder
from voxloop.monitoring.prediction import Prediction
from voxloop.monitoring.prediction_writer import PredictionLog


class Kept:
    def __init__(self) -> None:
        self.rows: list[Prediction] = []

    def take(self, row: Prediction) -> None:
        self.rows.append(row)


def record(tenant: str, asked: Asked) -> list[Prediction]:
    kept: Any = Kept()
    recorder = Recorder(cast(PredictionLog, kept), lambda: datetime(2026, 1, 2, tzinfo=UTC))
    caller = Caller("key", tenant, "request", time.perf_counter())
    recorder.answered(Attempt("emotion", "d" * 64, 1, False), caller, asked, None, {"emotion": "calm"})
    return list(kept.rows)


def test_what_the_platform_asks_itself_is_no_prediction() -> None:
    asked = Asked(None, Words())
    assert [row.tenant for row in record("somebody", asked)] == ["somebody"]
    assert record(PLATFORM, asked) == []


def test_nobody_else_gets_a_key_in_the_platforms_name() -> None:
    with pytest.raises(InputError, match="platform's own tenant"):
        add(PLATFORM)
