"""How far a training is, and which epoch is the best."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxloop.tasks import Objective
from voxloop.training.progress import Progress

MORE, LESS = Objective("score", "max"), Objective("score", "min")


def run(values: list[float], objective: Objective) -> Progress:
    progress = Progress()
    for value in values:
        progress = progress.after_step(3.0, 2.0).after_step(1.0, 2.0).after_epoch(0.5, {"score": value}, objective)
    return progress


def test_losses_are_weighted_means_and_start_anew_in_each_epoch() -> None:
    progress = run([0.1, 0.2], MORE)
    assert [epoch.train_loss for epoch in progress.history] == [1.0, 1.0]
    assert (progress.step, progress.epoch, progress.epoch_step, progress.train_total) == (4, 2, 0, 0.0)


@pytest.mark.parametrize(("objective", "best"), [(MORE, 2), (LESS, 1)])
def test_the_best_epoch_is_the_earliest_of_equals(objective: Objective, best: int) -> None:
    progress = run([0.1, 0.3, 0.3, 0.2, 0.1], objective)
    assert progress.best_epoch == best
    assert progress.epochs_since_best == 5 - best
    assert progress.best_value("score") == (0.3 if best == 2 else 0.1)


def test_what_cannot_be_measured_is_never_the_best() -> None:
    progress = run([float("nan"), float("nan")], LESS)
    assert progress.best_epoch is None
    assert progress.best_value("score") is None
    assert progress.epochs_since_best == 2
    assert run([float("nan"), 0.1], LESS).best_epoch == 2


@given(st.lists(st.floats(0, 1) | st.just(float("nan")), max_size=6))
def test_it_survives_being_json(values: list[float]) -> None:
    progress = run(values, MORE)
    assert Progress.model_validate_json(progress.model_dump_json()) == progress
