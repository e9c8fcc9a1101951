"""error = a + b · n^-c, fitted to past runs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxloop.monitoring.learning_curve import count_amounts, fit_curve

runs = st.lists(st.tuples(st.floats(0.01, 1000), st.floats(0, 1)), min_size=3, max_size=8)


@pytest.mark.parametrize(("floor", "scale", "steepness"), [(0.1, 0.5, 0.3), (0.0, 0.3, 0.5), (0.2, 0.4, 0.15)])
def test_it_finds_the_curve_it_was_drawn_from(floor: float, scale: float, steepness: float) -> None:
    hours = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0]
    curve = fit_curve(hours, [floor + scale * one**-steepness for one in hours])
    assert curve is not None
    for one in (32.0, 64.0):
        assert curve.error_at(one) == pytest.approx(floor + scale * one**-steepness, abs=2e-3)
    expected = scale * (16**-steepness - 32**-steepness)
    assert curve.gain(16.0, 32.0) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize(
    "hours", [[], [1.0], [1.0, 2.0], [1.0, 1.0, 2.0, 2.0], [1.0, 1.0001, 2.0], [0.0, 1.0, 2.0], [-1.0, 1.0, 2.0]]
)
def test_fewer_than_three_amounts_of_data_give_no_curve(hours: list[float]) -> None:
    assert count_amounts(hours) < 3
    assert fit_curve(hours, [0.5] * len(hours)) is None


def test_an_error_that_is_no_number_is_no_run() -> None:
    assert fit_curve([1.0, 2.0, 4.0], [0.5, math.nan, 0.3]) is None


def test_errors_that_rise_with_the_data_give_a_flat_curve() -> None:
    curve = fit_curve([1.0, 2.0, 4.0], [0.2, 0.3, 0.4])
    assert curve is not None
    assert curve.gain(4.0, 8.0) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("amounts", [3, 8])
def test_noise_of_a_point_leaves_the_expected_gain_within_its_order(amounts: int) -> None:
    """A gain of 2.6 points is told as 1.1 to 3.4 (10 to 90 %, 300 draws), by three amounts of data as by eight."""
    draw, hours = np.random.default_rng(20261130), np.geomspace(1, 8, amounts)
    gains = []
    for _ in range(100):
        errors = 0.15 + 0.25 * hours**-0.35 + 0.01 * draw.standard_normal(amounts)
        curve = fit_curve(list(hours), list(errors))
        assert curve is not None
        gains.append(curve.gain(8.0, 16.0))
    low, middle, high = np.quantile(gains, (0.1, 0.5, 0.9))
    assert 0.008 < low < middle < high < 0.04
    assert middle == pytest.approx(0.026, abs=0.004)


@given(runs, st.floats(0.1, 100), st.floats(0, 100), st.floats(0, 100))
def test_more_data_is_never_expected_to_hurt(
    points: list[tuple[float, float]], before: float, more: float, still_more: float
) -> None:
    hours, errors = (list(column) for column in zip(*points, strict=True))
    curve = fit_curve(hours, errors)
    if curve is None:
        assert count_amounts(hours) < 3
        return
    less, greater = curve.gain(before, before + more), curve.gain(before, before + more + still_more)
    assert 0 <= less <= greater + 1e-12
    assert curve.gain(before, before / 2) == 0
