"""What stops a model before it takes over, by table: answers, time, memory, and what cannot be told of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.release.worlds import BUDGETS, World
from voxloop.errors import IntegrityError, ServiceUnavailableError, VoxloopError
from voxloop.release.budgets import LatencyBudget, ProbeBudgets
from voxloop.release.examination import (
    compare_with_evaluation,
    examine,
    find_p95,
    hold_latency,
    hold_memory,
    time_in_turn,
)
from voxloop.release.policy import load_release_policy
from voxloop.release.probe import TOLERANCE
from voxloop.tasks import Answer
from voxloop.tasks.output_difference import Arrays

SOUND = {"waveform": np.zeros(8, np.float32)}
BUDGET = LatencyBudget(seconds=1, rounds=5, attempts=2, p95_ms=400, ratio=1.5, slack_ms=20)


@dataclass
class Model:
    """Answers the same after so many seconds; by attempt, where there are several."""

    outputs: tuple[float, ...] = (0.25, 0.75)
    labels: str = "ab"
    seconds: tuple[float, ...] = (0.0,)
    asked: int = 0

    def requests(self) -> Iterator[tuple[str, Arrays]]:
        yield from (("silence", SOUND), ("60 s", SOUND))

    def make_golden(self, seconds: float) -> Arrays:
        return SOUND

    def answer(self, request: Arrays) -> Arrays:
        attempt = self.asked // (BUDGET.rounds + 1)
        self.asked += 1
        time.sleep(self.seconds[min(attempt, len(self.seconds) - 1)])
        return {"probabilities": np.array(self.outputs, np.float32)}

    def decode(self, outputs: Arrays) -> Answer | None:
        return {"emotion": self.labels[int(outputs["probabilities"].argmax())]}


def test_the_same_answers_pass_with_their_difference() -> None:
    found = compare_with_evaluation("m", Model(), Model(outputs=(0.25, 0.75 + TOLERANCE / 2)))
    assert found == pytest.approx(TOLERANCE / 2, rel=0.01)


@pytest.mark.parametrize(
    ("served", "message"),
    [
        (Model(outputs=(0.251, 0.75)), r"a sound \(silence\) with a difference of 0.001; at most 0.0001"),
        (Model(outputs=(float("nan"), 0.75)), "difference of inf"),
        (Model(outputs=(0.25, 0.75, 0.0)), "difference of inf"),
        (Model(labels="ba"), "says other words than evaluation"),
    ],
)
def test_another_answer_or_another_meaning_stops(served: Model, message: str) -> None:
    with pytest.raises(IntegrityError, match=message):
        compare_with_evaluation("m", Model(), served)


@pytest.mark.parametrize(
    ("ours", "theirs", "stops"),
    [
        ((0.0,), None, ""),
        ((0.6,), None, r"the p95 of 1 s of sound is 6[\d.]+ ms; at most 400.0 ms, 2 attempts"),
        ((0.2,), (0.2,), ""),
        ((0.3,), (0.02,), r"is 3[\d.]+ ms, the champion [\d.]+ ms"),
        ((0.6,), (0.6,), "at most 400.0 ms"),  # the champion does not lift the cap
        ((0.3, 0.0), (0.02,), ""),  # a busy moment is not held against it
    ],
)
def test_who_is_too_slow_in_every_attempt_stops(
    ours: tuple[float, ...], theirs: tuple[float, ...] | None, stops: str
) -> None:
    models = Model(seconds=ours), None if theirs is None else Model(seconds=theirs)
    if stops:
        with pytest.raises(VoxloopError, match=stops):
            hold_latency("m", *models, BUDGET)
    else:
        assert (hold_latency("m", *models, BUDGET)[1] is None) == (theirs is None)


@pytest.mark.parametrize(
    ("taken", "unmeasured", "stops"),
    [
        (2**20, "refuse", ""),
        (2**31, "refuse", "2048 MiB of memory; at most 1024 MiB"),
        (2**31, "allow", "2048 MiB of memory"),
        (None, "refuse", r"cannot be told.*probe.unmeasured"),
        (None, "allow", ""),
    ],
)
def test_memory_over_budget_or_untold_stops(taken: int | None, unmeasured: str, stops: str, tmp_path: Path) -> None:
    server: Any = World(tmp_path)
    server.read_memory = lambda _: taken
    budgets = ProbeBudgets.model_validate({**BUDGETS.model_dump(), "unmeasured": unmeasured})
    if stops:
        with pytest.raises(VoxloopError, match=stops):
            hold_memory("m", server, budgets)
    else:
        assert hold_memory("m", server, budgets) == taken


@pytest.mark.parametrize("unmeasured", ["refuse", "allow"])
def test_a_champion_that_is_not_served_stops_unless_that_is_allowed(tmp_path: Path, unmeasured: str) -> None:
    world = World(tmp_path)
    world.loaded.add("new")
    budgets = ProbeBudgets.model_validate({**BUDGETS.model_dump(), "unmeasured": unmeasured})
    platform: Any = world.platform()
    object.__setattr__(platform, "budgets", budgets)
    if unmeasured == "refuse":
        with pytest.raises(ServiceUnavailableError, match="slower than the champion cannot be told"):
            examine(platform, "new", tmp_path, champion="old")
    else:
        assert examine(platform, "new", tmp_path, champion="old").champion_p95_ms is None


def test_the_models_are_asked_in_turn_and_the_first_round_is_not_counted() -> None:
    said: list[str] = []

    def first() -> None:
        time.sleep(0.0 if said else 0.3)
        said.append("a")

    slowest = time_in_turn([first, lambda: said.append("b")], 3)
    assert "".join(said) == "abababab"
    assert slowest[0] < 300


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
def test_p95_is_a_value_that_was_measured_and_few_are_above(values: list[float]) -> None:
    found = find_p95(values)
    assert found in values
    assert sum(value > found for value in values) <= 0.05 * len(values)


@given(st.floats(0, 1e5), st.floats(0, 1e5))
def test_a_slower_champion_never_lowers_the_bound_and_none_lifts_the_cap(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert BUDGET.bound(low) <= BUDGET.bound(high) <= BUDGET.bound(None) == BUDGET.p95_ms


def test_the_shipped_budgets_refuse_what_cannot_be_measured() -> None:
    shipped = load_release_policy().probe
    assert shipped.unmeasured == "refuse"
    assert shipped.latency.rounds >= 20, "of fewer the p95 is the largest"
