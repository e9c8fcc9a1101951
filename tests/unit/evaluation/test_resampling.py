"""Resampled speakers, against scipy and against drawing rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmarks.bootstrap import make_rows, resample_plainly
from benchmarks.bootstrap_t import bootstrap_t_interval
from voxloop.evaluation.intervals import jackknife
from voxloop.evaluation.moments import error_moments, label_moments, mean_moments, sum_groups
from voxloop.evaluation.resampling import draw_speakers, resample_values
from voxloop.evaluation.summed_measures import MEAN, UAR, WER


def test_resampled_rates_are_those_of_the_rows_drawn() -> None:
    errors, words, codes = make_rows(40)
    drawn = draw_speakers(40, 300, seed=2)
    found = resample_values(sum_groups(error_moments(errors, words), codes), WER, drawn)
    np.testing.assert_array_equal(found, resample_plainly(errors, words, codes, drawn))


def test_the_picture_is_scipys_percentile_bootstrap() -> None:
    values = np.random.default_rng(3).normal(size=30)
    found = resample_values(mean_moments(values), MEAN, draw_speakers(30, 9_999, seed=4))
    theirs = stats.bootstrap((values,), np.mean, n_resamples=9_999, method="percentile", rng=np.random.default_rng(4))
    np.testing.assert_allclose(np.sort(found), np.sort(theirs.bootstrap_distribution), atol=1e-12)
    np.testing.assert_allclose(np.quantile(found, (0.025, 0.975)), theirs.confidence_interval, atol=1e-12)


def test_equal_seeds_draw_equal_speakers() -> None:
    np.testing.assert_array_equal(draw_speakers(6, 10, seed=1), draw_speakers(6, 10, seed=1))
    assert not np.array_equal(draw_speakers(6, 10, seed=1), draw_speakers(6, 10, seed=2))


def test_bootstrap_t_of_many_normal_means_is_near_students() -> None:
    values = np.random.default_rng(5).normal(size=60)
    found = bootstrap_t_interval(mean_moments(values), MEAN, draw_speakers(60, 9_999, seed=6), level=0.95)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose(found[1:3], expected, atol=0.06)


def test_bootstrap_t_leans_to_the_long_tail() -> None:
    values = np.random.default_rng(7).exponential(size=15)
    drawn = draw_speakers(15, 4_999, seed=8)
    found = bootstrap_t_interval(mean_moments(values), MEAN, drawn, level=0.95)
    assert found.high - found.estimate > 1.3 * (found.estimate - found.low)
    low, high = jackknife(mean_moments(values), MEAN).ends(0.95)
    assert found.high > high
    assert found.low > low


def test_resamples_that_cannot_be_studentised_open_the_ends() -> None:
    references = np.repeat([0, 1, 0, 1, 0, 0], 4)
    moments = label_moments(references, np.where(np.arange(24) % 3, references, -1), 2)
    sums = sum_groups(moments, np.repeat(np.arange(6), 4))
    found = bootstrap_t_interval(sums, UAR, draw_speakers(6, 999, seed=9), level=0.95)
    assert (found.low, found.high) == (-np.inf, np.inf)


@pytest.mark.parametrize("values", [np.zeros(5), np.array([1.0, np.nan, 2.0]), np.array([1.0])])
def test_bootstrap_t_tells_no_more_than_the_jackknife(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    moments = mean_moments(values)
    found = bootstrap_t_interval(moments, MEAN, draw_speakers(len(values), 99, seed=1), level=0.95)
    expected = jackknife(moments, MEAN).interval(0.95, "")
    np.testing.assert_array_equal(found[:3], expected[:3])
