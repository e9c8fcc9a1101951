"""Agreement: the formulas written out, and what holds for any numbers."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from voxloop.tasks.agreement import ccc, pearson

Values = npt.NDArray[np.float64]


def values(count: int) -> st.SearchStrategy[Values]:
    """Numbers on a grid: no subnormal spreads, which rounding alone would decide about."""
    return arrays.arrays(np.float64, count, elements=st.integers(-1000, 1000).map(lambda number: number / 8))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Values, Values]:
    count = draw(st.integers(2, 20))
    return draw(values(count)), draw(values(count))


def ccc_by_the_formula(wanted: Values, found: Values) -> float:
    """Lin's 1 - E[(x - y)^2] / E[(x - y)^2 if x and y were independent]."""
    squares = [(one - other) ** 2 for one, other in zip(wanted, found, strict=True)]
    apart = [(one - other) ** 2 for one in wanted for other in found]
    return float(1.0 - np.mean(squares) / np.mean(apart))


@given(pairs())
def test_ccc_is_lins_formula(pair: tuple[Values, Values]) -> None:
    assume(np.ptp(np.concatenate(pair)) > 0)
    assert ccc(*pair) == pytest.approx(ccc_by_the_formula(*pair), abs=1e-9)


@given(pairs())
def test_pearson_is_numpys(pair: tuple[Values, Values]) -> None:
    assume(np.ptp(pair[0]) > 0 and np.ptp(pair[1]) > 0)
    assert pearson(*pair) == pytest.approx(np.corrcoef(*pair)[0, 1], abs=1e-9)


@given(pairs())
def test_ccc_is_symmetric_and_never_beyond_pearson(pair: tuple[Values, Values]) -> None:
    assume(np.ptp(pair[0]) > 0 and np.ptp(pair[1]) > 0)
    assert ccc(*pair) == pytest.approx(ccc(*reversed(pair)))
    assert abs(ccc(*pair)) <= abs(pearson(*pair)) + 1e-9 <= 1.0 + 2e-9


@given(values(8), st.floats(0.5, 4.0), st.floats(1.0, 50.0))
def test_a_shift_or_a_scale_costs_ccc_and_not_pearson(wanted: Values, scale: float, shift: float) -> None:
    assume(wanted.std() > 0.1)
    assert ccc(wanted, wanted) == pytest.approx(1.0)
    assert ccc(wanted, wanted + shift) < 1.0
    assert pearson(wanted, wanted * scale + shift) == pytest.approx(1.0)
    assert pearson(wanted, -wanted) == pytest.approx(-1.0)


def test_a_constant_prediction_agrees_with_nothing() -> None:
    wanted = np.array([1.0, 2.0, 3.0])
    assert ccc(wanted, np.full(3, 2.0)) == 0.0
    assert math.isnan(pearson(wanted, np.full(3, 2.0)))
    assert math.isnan(ccc(np.ones(3), np.ones(3)))
    assert ccc(np.ones(3), np.full(3, 2.0)) == 0.0


@pytest.mark.parametrize("wanted", [[], [1.0], [1.0, math.nan], [1.0, math.inf]])
def test_too_little_is_not_a_number(wanted: list[float]) -> None:
    found = np.arange(len(wanted), dtype=np.float64)
    assert math.isnan(ccc(np.array(wanted), found))
    assert math.isnan(pearson(np.array(wanted), found))


def test_pairs_are_pairs() -> None:
    with pytest.raises(ValueError, match=r"shapes \(2,\) and \(3,\)"):
        ccc(np.zeros(2), np.zeros(3))


def test_mean_over_batches_is_another_number() -> None:
    """Why ccc is taken over everything: batches of alike values agree less than the whole."""
    draw = np.random.default_rng(0)
    for _ in range(20):
        wanted = np.sort(draw.standard_normal(40))
        found = wanted + 0.5 * draw.standard_normal(40)
        parts = [ccc(wanted[start : start + 10], found[start : start + 10]) for start in range(0, 40, 10)]
        assert np.mean(parts) < ccc(wanted, found) - 0.1
