"""Intervals against scipy where a case coincides, and by simulation where none does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from voxloop.evaluation.intervals import speaker_interval, utterance_interval
from voxloop.settings import Settings


def _balanced(rng: np.random.Generator, speakers: int, labels: int, repeats: int) -> tuple[Any, Any, Any]:
    who, what = np.meshgrid(np.arange(speakers), np.repeat(np.arange(labels), repeats), indexing="ij")
    return rng.integers(-1, 2, who.size).astype(float), what.ravel(), who.ravel()


def test_balanced_speakers_give_the_one_sample_t_interval_over_their_own_uars() -> None:
    scores, labels, speakers = _balanced(np.random.default_rng(1), 9, 4, 5)
    own = scores.reshape(9, 4, 5).mean(axis=2).mean(axis=1)
    expected = stats.ttest_1samp(own, 0).confidence_interval(0.9)
    found = speaker_interval(scores, labels, speakers, level=0.9)
    np.testing.assert_allclose(found[:3], (own.mean(), expected.low, expected.high), atol=1e-12)


def test_one_label_gives_the_one_sample_t_interval_over_utterances() -> None:
    scores = np.random.default_rng(2).integers(0, 2, 60).astype(float)
    expected = stats.ttest_1samp(scores, 0).confidence_interval(0.95)
    found = utterance_interval(scores, np.zeros(60, dtype=np.int64), level=0.95)
    np.testing.assert_allclose(found[:3], (scores.mean(), expected.low, expected.high), atol=1e-12)


def test_two_labels_give_welchs_interval() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.normal(0.3, 1.0, 40), rng.normal(-0.1, 0.2, 15)
    expected = stats.ttest_ind(first, -second, equal_var=False).confidence_interval(0.95)  # of m1 + m2
    scores, labels = np.concatenate([first, second]), np.repeat([0, 1], [40, 15])
    found = utterance_interval(scores, labels, level=0.95)
    np.testing.assert_allclose(found[1:3], (expected.low / 2, expected.high / 2), atol=1e-12)


@pytest.mark.parametrize("speakers", [6, 9, 24])
@pytest.mark.parametrize("correlation", [0.05, 0.3])
def test_interval_over_speakers_covers_what_it_says(speakers: int, correlation: float, settings: Settings) -> None:
    """Recall differs between speakers and labels, and speakers say different amounts."""
    rng = np.random.default_rng(speakers)
    draws, means = max(600, settings.trial_count(4000)), np.array([0.6, 0.75, 0.85])
    spread = 1 / correlation - 1
    hits = 0
    for _ in range(draws):
        recalls = rng.beta(means * spread, (1 - means) * spread, size=(speakers, 3))
        sizes = rng.integers(4, 13, size=(speakers, 3))
        speaker, label = (np.repeat(index.ravel(), sizes.ravel()) for index in np.indices(sizes.shape))
        scores = (rng.random(sizes.sum()) < recalls[speaker, label]).astype(float)
        found = speaker_interval(scores, label, speaker, level=0.95)
        hits += found.low <= means.mean() <= found.high
    allowed = 0.015 + 3 * np.sqrt(0.95 * 0.05 / draws)
    assert abs(hits / draws - 0.95) <= allowed


def test_interval_over_utterances_covers_what_it_says(settings: Settings) -> None:
    rng = np.random.default_rng(11)
    draws, recalls = max(600, settings.trial_count(4000)), np.array([0.5, 0.7, 0.9])
    labels = np.repeat([0, 1, 2], [60, 45, 30])
    scores = (rng.random((draws, labels.size)) < recalls[labels]).astype(float)
    found = [utterance_interval(row, labels, level=0.95) for row in scores]
    share = np.mean([interval.low <= recalls.mean() <= interval.high for interval in found])
    assert abs(share - 0.95) <= 0.015 + 3 * np.sqrt(0.95 * 0.05 / draws)


@pytest.mark.parametrize(
    ("scores", "labels", "speakers"),
    [
        ([], [], []),
        ([1.0, 0.0, 1.0], [0, 0, 1], [0, 0, 0]),
        ([1.0, 0.0, 1.0], [0, 0, 1], [0, 1, 1]),
    ],
    ids=["nothing", "one speaker", "a label of one speaker"],
)
def test_what_speakers_cannot_tell_has_no_ends(scores: list[float], labels: list[int], speakers: list[int]) -> None:
    codes = np.array(labels, dtype=np.int64), np.array(speakers, dtype=np.int64)
    found = speaker_interval(np.array(scores), *codes, level=0.95)
    assert np.isnan(found.low)
    assert np.isnan(found.high)


@pytest.mark.parametrize(("scores", "labels"), [([], []), ([1.0, 0.0, 1.0], [0, 0, 1])], ids=["nothing", "a lone one"])
def test_what_utterances_cannot_tell_has_no_ends(scores: list[float], labels: list[int]) -> None:
    found = utterance_interval(np.array(scores), np.array(labels, dtype=np.int64), level=0.95)
    assert np.isnan(found.low)
    assert np.isnan(found.high)


@given(
    rows=st.lists(
        st.tuples(st.sampled_from([-1.0, 0.0, 1.0]), st.integers(0, 2), st.integers(0, 4)), min_size=1, max_size=60
    ),
    seed=st.integers(0, 100),
)
def test_row_order_does_not_matter(rows: list[tuple[float, int, int]], seed: int) -> None:
    scores, labels, speakers = (np.array(column) for column in zip(*rows, strict=True))
    order = np.random.default_rng(seed).permutation(len(rows))
    one = speaker_interval(scores, labels, speakers, level=0.95)
    other = speaker_interval(scores[order], labels[order], speakers[order], level=0.95)
    np.testing.assert_allclose(one[:3], other[:3], atol=1e-12)
    one, other = (utterance_interval(scores[i], labels[i], level=0.95) for i in (np.arange(len(rows)), order))
    np.testing.assert_allclose(one[:3], other[:3], atol=1e-12)
