"""Intervals against scipy where a case coincides; `test_coverage.py` has what only simulation can say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from voxloop.evaluation.intervals import (
    Interval,
    effective_groups,
    group_interval,
    jackknife,
    p_value,
    speaker_interval,
    speaker_lead,
    stratified_jackknife,
    utterance_interval,
    utterance_lead,
)
from voxloop.evaluation.moments import agreement_moments, error_moments, label_moments, mean_moments, sum_groups
from voxloop.evaluation.summed_measures import CCC, MACRO_F1, MEAN, PEARSON, UAR, WER, Measure, contrast, paired

Moments = Any
ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2), st.integers(0, 4)), min_size=1, max_size=60
)


def draw_recalls(seed: int, speakers: int = 9, labels: int = 4, repeats: int = 5) -> tuple[Any, Any, Any]:
    """Return references, what is right, and speakers, where every speaker says every label equally often."""
    who, what = np.meshgrid(np.arange(speakers), np.repeat(np.arange(labels), repeats), indexing="ij")
    correct = np.random.default_rng(seed).random(who.size) < 0.6
    return what.ravel(), correct, who.ravel()


def recall_moments(references: Any, correct: Any, labels: int = 4) -> Moments:
    return label_moments(references, np.where(correct, references, -1), labels)


def draw_case(measure: Measure, seed: int, rows: int = 80) -> tuple[Moments, Moments, Any]:
    """Return moments of two models, and speakers who say unequally much."""
    draw = np.random.default_rng(seed)
    speakers = np.concatenate([np.arange(7), draw.integers(0, 7, rows - 7) ** 2 // 6])
    if measure is WER:
        words = draw.integers(1, 12, rows)
        return (
            error_moments(draw.binomial(words, 0.1), words),
            error_moments(draw.binomial(words, 0.2), words),
            speakers,
        )
    if measure in (UAR, MACRO_F1):
        said = draw.integers(0, 2, rows)
        ours, theirs = (np.where(draw.random(rows) < share, said, 1 - said) for share in (0.8, 0.7))
        return label_moments(said, ours, 2), label_moments(said, theirs, 2), speakers
    wanted = draw.normal(3, 1, (rows, 2))
    ours, theirs = (agreement_moments(wanted, wanted + draw.normal(0, noise, (rows, 2))) for noise in (0.7, 0.9))
    return ours, theirs, speakers


def assert_close(one: Interval, other: Interval, sign: int = 1) -> None:
    low, high = (other.low, other.high) if sign > 0 else (-other.high, -other.low)
    np.testing.assert_allclose(one[:3], (sign * other.estimate, low, high), atol=1e-12)


MEASURES = pytest.mark.parametrize("measure", [WER, UAR, MACRO_F1, CCC, PEARSON], ids=lambda measure: measure.name)


def test_balanced_speakers_give_the_one_sample_t_interval_over_their_own_uars() -> None:
    references, correct, speakers = draw_recalls(1)
    own = correct.reshape(9, 4, 5).mean(axis=2).mean(axis=1)
    expected = stats.ttest_1samp(own, 0).confidence_interval(0.9)
    found = speaker_interval(recall_moments(references, correct), UAR, speakers, level=0.9)
    np.testing.assert_allclose(found[:3], (own.mean(), expected.low, expected.high), atol=1e-12)


def test_balanced_speakers_give_the_paired_t_test_of_their_own_error_rates() -> None:
    draw = np.random.default_rng(2)
    errors, words, speakers = draw.binomial(8, 0.2, (2, 60)), np.full(60, 8), np.arange(60) % 6
    ours, theirs = (np.array([row[speakers == one].sum() / 80 for one in range(6)]) for row in errors)
    one, other = (error_moments(row, words) for row in errors)
    lead = speaker_lead(one, other, WER, speakers, level=0.95)
    test = stats.ttest_rel(theirs, ours, alternative="greater")
    assert p_value(lead, 0.0) == pytest.approx(test.pvalue)
    np.testing.assert_allclose(lead[1:3], stats.ttest_rel(theirs, ours).confidence_interval(0.95), atol=1e-12)
    shifted = stats.ttest_1samp(theirs - ours, -0.03, alternative="greater")
    assert p_value(lead, -0.03) == pytest.approx(shifted.pvalue)


def test_a_mean_of_utterances_gives_the_one_sample_t_interval() -> None:
    scores = np.random.default_rng(2).normal(size=60)
    expected = stats.ttest_1samp(scores, 0).confidence_interval(0.95)
    found = utterance_interval(mean_moments(scores), MEAN, level=0.95)
    np.testing.assert_allclose(found[:3], (scores.mean(), expected.low, expected.high), atol=1e-12)


def test_correlation_of_many_utterances_is_near_fishers() -> None:
    draw = np.random.default_rng(3)
    wanted = draw.normal(size=2000)
    found = wanted + draw.normal(size=2000)
    theirs = stats.pearsonr(wanted, found)
    ours = utterance_interval(agreement_moments(wanted, found), PEARSON, level=0.95)
    assert ours.estimate == pytest.approx(theirs.statistic)
    np.testing.assert_allclose(ours[1:3], theirs.confidence_interval(0.95), atol=0.003)


@MEASURES
def test_deleting_is_measuring_without(measure: Measure) -> None:
    moments, _, speakers = draw_case(measure, 4)
    found = speaker_interval(moments, measure, speakers, level=0.95)
    without = np.array([measure.value(moments[speakers != one].sum(axis=0)) for one in range(7)])
    error = np.sqrt(6 / 7 * np.sum((without - measure.value(moments.sum(axis=0))) ** 2))
    assert found.error == pytest.approx(error)


@MEASURES
def test_swapped_models_lead_by_the_opposite(measure: Measure) -> None:
    ours, theirs, speakers = draw_case(measure, 5)
    lead = speaker_lead(ours, theirs, measure, speakers, level=0.95)
    assert lead.estimate > 0  # the challenger was drawn better, whichever way the measure runs
    assert_close(lead, speaker_lead(theirs, ours, measure, speakers, level=0.95), sign=-1)
    assert_close(
        utterance_lead(ours, theirs, measure, level=0.95), utterance_lead(theirs, ours, measure, level=0.95), sign=-1
    )


@MEASURES
def test_a_model_leads_itself_by_nothing_and_says_so(measure: Measure) -> None:
    ours, _, speakers = draw_case(measure, 6)
    lead = speaker_lead(ours, ours, measure, speakers, level=0.95)
    assert lead[:3] == (0.0, 0.0, 0.0)
    assert lead.is_degenerate
    assert not speaker_interval(ours, measure, speakers, level=0.95).is_degenerate
    assert (p_value(lead, -0.02), p_value(lead, 0.0), p_value(lead, 0.02)) == (0.0, 1.0, 1.0)


@MEASURES
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_moment_that_is_no_number_leaves_no_ends(measure: Measure, bad: float) -> None:
    ours, theirs, speakers = draw_case(measure, 7)
    for column in range(ours.shape[1]):
        broken = ours.copy()
        broken[3, column] = bad
        lead = speaker_lead(broken, theirs, measure, speakers, level=0.95)
        assert np.isnan([lead.low, lead.high, p_value(lead, 0.0)]).all() or not uses(measure, column)
        assert not lead.is_degenerate


def uses(measure: Measure, column: int) -> bool:
    """Whether a measure reads a column of the moments of two labels at all."""
    return measure is not UAR or column not in (2, 3)


@given(ROWS, st.randoms(use_true_random=False))
def test_row_order_does_not_matter(rows: list[tuple[int, int, int, int]], random: Any) -> None:
    shuffled = random.sample(rows, len(rows))
    for measure in (UAR, MACRO_F1):
        one, other = (lead_of(some, measure) for some in (rows, shuffled))
        assert_close(one, other)


@given(ROWS)
def test_names_of_speakers_and_labels_do_not_matter(rows: list[tuple[int, int, int, int]]) -> None:
    renamed = [(2 - wanted, 2 - ours, 2 - theirs, 9 - 2 * speaker) for wanted, ours, theirs, speaker in rows]
    assert_close(lead_of(rows, UAR), lead_of(renamed, UAR))


@given(ROWS)
def test_labels_of_a_lone_speaker_leave_no_ends_and_others_do(rows: list[tuple[int, int, int, int]]) -> None:
    saying = {label: {row[3] for row in rows if row[0] == label} for label in {row[0] for row in rows}}
    assert np.isnan(lead_of(rows, UAR).low) == any(len(speakers) < 2 for speakers in saying.values())


def lead_of(rows: list[tuple[int, int, int, int]], measure: Measure) -> Interval:
    wanted, ours, theirs, speakers = (np.array(column) for column in zip(*rows, strict=True))
    one, other = (label_moments(wanted, found, 3) for found in (ours, theirs))
    return speaker_lead(one, other, measure, speakers, level=0.95)


def test_labels_nobody_says_are_left_out() -> None:
    references, correct, speakers = draw_recalls(8)
    few = recall_moments(references, correct)
    assert_close(
        speaker_interval(few, UAR, speakers, level=0.95),
        speaker_interval(recall_moments(references, correct, labels=9), UAR, speakers, level=0.95),
    )


@pytest.mark.parametrize(
    ("references", "speakers"),
    [([], []), ([0, 0, 1], [0, 0, 0]), ([0, 0, 1], [0, 1, 1])],
    ids=["nothing", "one speaker", "a label of one speaker"],
)
def test_what_speakers_cannot_tell_has_no_ends(references: list[int], speakers: list[int]) -> None:
    codes = np.array(references, dtype=np.int64)
    moments = label_moments(codes, codes, 2)
    found = speaker_interval(moments, UAR, np.array(speakers, dtype=np.int64), level=0.95)
    assert np.isnan([found.low, found.high, p_value(found, 0.5)]).all()
    assert not found.is_degenerate


@pytest.mark.parametrize("references", [[], [0, 0, 1]], ids=["nothing", "a lone one"])
def test_what_utterances_cannot_tell_has_no_ends(references: list[int]) -> None:
    codes = np.array(references, dtype=np.int64)
    found = utterance_interval(label_moments(codes, codes, 2), UAR, level=0.95)
    assert np.isnan([found.low, found.high]).all()


def test_a_trait_known_of_two_speakers_alone_leaves_no_ends() -> None:
    wanted = np.random.default_rng(9).normal(size=(9, 2))
    wanted[2:, 1] = np.nan
    moments = agreement_moments(wanted, wanted + 0.5)
    assert np.isnan(speaker_interval(moments, CCC, np.arange(9), level=0.95).low)


def test_speakers_who_say_unequally_much_count_for_fewer() -> None:
    assert effective_groups(np.full(9, 25.0)) == pytest.approx(9)
    assert effective_groups(np.array([[100.0, 1, 1, 1], [5, 5, 0, 0]])) == pytest.approx([1.0603, 2], abs=1e-3)
    assert effective_groups(np.zeros(0)) == 0
    moments, _, speakers = draw_case(WER, 10)
    sizes = np.bincount(speakers).astype(float)
    found = speaker_interval(moments, WER, speakers, level=0.95)
    assert found.freedom == pytest.approx(sizes.sum() ** 2 / np.sum(sizes**2))
    assert found.freedom < 6


def test_many_draws_at_once_are_each_draw_by_itself() -> None:
    cases = [draw_case(CCC, seed) for seed in range(5)]
    sums = np.stack([sum_groups(np.concatenate(case[:2], axis=1), case[2]) for case in cases])
    sizes = np.stack([np.bincount(case[2]) for case in cases]).astype(float)
    found = jackknife(sums, paired(CCC), sizes)
    low, high = found.ends(0.95)
    for place, case in enumerate(cases):
        one = speaker_lead(*case[:2], CCC, case[2], level=0.95)
        np.testing.assert_allclose((found.estimate[place], low[place], high[place]), one[:3], atol=1e-10)
        assert found.p_value(0.01)[place] == pytest.approx(p_value(one, 0.01))


def test_the_p_value_and_the_lower_end_say_the_same() -> None:
    ours, theirs, speakers = draw_case(WER, 11)
    lead = speaker_lead(ours, theirs, WER, speakers, level=0.95)
    assert p_value(lead, lead.low) == pytest.approx(0.025)
    assert p_value(lead, lead.high) == pytest.approx(0.975)


def stack_two(one: Any, other: Any) -> Any:
    """Return sums [S, 4] of the means of two groups of speakers, 10 rows each."""
    zeros = np.zeros_like(one), np.zeros_like(other)
    tens = np.full_like(one, 10.0), np.full_like(other, 10.0)
    return np.concatenate(
        [
            np.stack([10 * one, tens[0], zeros[0], zeros[0]], axis=1),
            np.stack([zeros[1], zeros[1], 10 * other, tens[1]], axis=1),
        ]
    )


class TestGroups:
    @pytest.mark.parametrize("counts", [(4, 36), (12, 12), (2, 5)])
    def test_the_difference_of_two_means_is_welchs(self, counts: tuple[int, int]) -> None:
        draw = np.random.default_rng(4)
        one, other = draw.normal(0.6, 0.3, counts[0]), draw.normal(0.5, 0.1, counts[1])
        strata = np.repeat([0, 1], counts)
        found = stratified_jackknife(stack_two(one, other), contrast(MEAN, [1.0, -1.0], "gap"), strata)
        welch = stats.ttest_ind(one, other, equal_var=False)
        assert float(found.freedom) == pytest.approx(welch.df)
        assert float(found.p_value(0.0)) == pytest.approx(stats.t.sf(welch.statistic, welch.df))

    def test_what_hangs_on_four_has_three_degrees_of_freedom(self) -> None:
        draw = np.random.default_rng(5)
        sums = stack_two(draw.normal(size=4), draw.normal(size=36))
        found = stratified_jackknife(sums, contrast(MEAN, [1.0, 0.0], "first"), np.repeat([0, 1], [4, 36]))
        alone = jackknife(sums[:4, :2], MEAN)
        assert (float(found.error), float(found.freedom)) == pytest.approx((float(alone.error), 3.0))

    def test_a_group_of_one_cannot_tell(self) -> None:
        sums = stack_two(np.ones(1), np.arange(5.0))
        assert np.isnan(stratified_jackknife(sums, contrast(MEAN, [1.0, -1.0], "gap"), np.repeat([0, 1], [1, 5])).error)

    @given(st.integers(0, 100))
    def test_one_stratum_is_the_jackknife(self, seed: int) -> None:
        moments, _, speakers = draw_case(UAR, seed)
        sums, sizes = sum_groups(moments, speakers), np.unique(speakers, return_counts=True)[1].astype(np.float64)
        one, same = stratified_jackknife(sums, UAR, np.zeros(len(sums), np.int64), sizes), jackknife(sums, UAR, sizes)
        assert np.array_equal([one.error, one.freedom], [same.error, same.freedom], equal_nan=True)

    def test_speakers_of_several_groups_have_no_more_freedom_than_the_fewest(self) -> None:
        """All six speak in the one group, three of them in the other too."""
        draw, speakers, groups = (
            np.random.default_rng(6),
            np.array([*range(6)] * 4 + [0, 1, 2] * 4),
            np.repeat([0, 1], [24, 12]),
        )
        values = np.where(groups == 0, 0, 2)
        moments = np.zeros((36, 4))
        moments[np.arange(36), values], moments[np.arange(36), values + 1] = draw.random(36), 1.0
        gap = contrast(MEAN, [1.0, -1.0], "gap")
        found = group_interval(moments, gap, speakers, groups, level=0.95)
        assert found.freedom == 2.0
        assert np.isfinite(found.error)

    @pytest.mark.parametrize("counts", [(4, 36), (4, 4)])
    def test_an_interval_over_four_covers_as_often_as_it_says(self, counts: tuple[int, int]) -> None:
        draw, draws = np.random.default_rng(7), 2_000
        strata = np.repeat([0, 1], counts)
        values = draw.normal(0.0, np.where(strata == 0, 1.0, 0.3), (draws, len(strata)))
        first, tens, zeros = strata == 0, np.full(values.shape, 10.0), np.zeros(values.shape)
        columns = (
            np.where(first, 10 * values, zeros),
            np.where(first, tens, zeros),
            np.where(first, zeros, 10 * values),
            np.where(first, zeros, tens),
        )
        found = stratified_jackknife(np.stack(columns, axis=-1), contrast(MEAN, [1.0, -1.0], "gap"), strata)
        low, high = found.ends(0.95)
        assert np.mean((low <= 0) & (high >= 0)) > 0.95 - 3 * np.sqrt(0.05 * 0.95 / draws)
