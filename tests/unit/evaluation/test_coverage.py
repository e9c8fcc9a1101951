"""What the intervals say of simulated speakers, whose truth is known, comes true as often as they say.

Every seed is fixed, so a test that passes does so again. Bounds leave room for chance: four standard errors of a binomial
share, so that with other seeds a cell would cross its bound less than once in 10,000, were its true share at the edge.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from benchmarks import coverage, power
from benchmarks.coverage import CORRELATIONS, SIMULATIONS, SPEAKERS, cover, measure_false_superiority
from benchmarks.power import measure_power
from benchmarks.simulated_speakers import Talk, World, agreement_sums, emotion_sums, recogniser_sums
from voxloop.evaluation.intervals import utterance_interval
from voxloop.evaluation.moments import label_moments
from voxloop.evaluation.summed_measures import CCC, UAR, WER, Measure, paired
from voxloop.settings import Settings

Capture = pytest.CaptureFixture[str]
FEWEST = 1000


def room(share: float, draws: int) -> float:
    """Return four standard errors of a share of some draws."""
    return float(4 * np.sqrt(share * (1 - share) / draws))


@pytest.mark.parametrize("name", SIMULATIONS)
@pytest.mark.parametrize("talk", ["25", "10 to 40"])
def test_intervals_hold_the_truth_as_often_as_they_say(name: str, talk: Talk, settings: Settings) -> None:
    draws = max(FEWEST, settings.trial_count(4000))
    for speakers in SPEAKERS:
        for correlation in CORRELATIONS:
            share = cover(name, World(draws, speakers, correlation, talk), seed=1)
            assert abs(share - 0.95) <= 0.01 + room(0.95, draws), (speakers, correlation)


@pytest.mark.parametrize("name", SIMULATIONS)
def test_speakers_who_say_very_unequally_much_make_intervals_wide(name: str, settings: Settings) -> None:
    draws = max(FEWEST, settings.trial_count(4000))
    for speakers in (6, 9):
        assert cover(name, World(draws, speakers, 0.1, "5 to 200"), seed=2) >= 0.935 - room(0.95, draws)


@pytest.mark.parametrize("name", SIMULATIONS)
def test_equal_models_are_seldom_found_superior(name: str, settings: Settings) -> None:
    pairs = max(FEWEST, settings.trial_count(2000))
    _, bound = measure_false_superiority(name, pairs, seed=3, speakers=9)
    assert bound <= 0.05 + (0.0 if pairs >= 2000 else room(0.025, pairs))


def test_a_gain_of_two_per_cent_is_found(settings: Settings) -> None:
    draws = max(FEWEST, settings.trial_count(4000))
    assert measure_power(40, 0.02, draws, seed=4) >= 0.9
    assert measure_power(6, 0.02, draws, seed=4) < 0.6
    assert measure_power(40, 0.0, draws, seed=4) <= 0.025 + room(0.025, draws)


def test_intervals_over_utterances_hold_the_truth_as_often_as_they_say(settings: Settings) -> None:
    draw = np.random.default_rng(11)
    draws, recalls = max(FEWEST, settings.trial_count(4000)), np.array([0.5, 0.7, 0.9])
    labels = np.repeat([0, 1, 2], [60, 45, 30])
    right = draw.random((draws, labels.size)) < recalls[labels]
    found = [utterance_interval(label_moments(labels, np.where(row, labels, -1), 3), UAR, level=0.95) for row in right]
    share = np.mean([interval.low <= recalls.mean() <= interval.high for interval in found])
    assert abs(share - 0.95) <= 0.01 + room(0.95, draws)


@pytest.mark.parametrize(
    ("measure", "simulate"), [(WER, recogniser_sums), (UAR, emotion_sums), (CCC, agreement_sums)], ids=SIMULATIONS
)
@pytest.mark.parametrize("correlation", [0.0, 0.3])
def test_the_lead_that_is_called_true_is(measure: Measure, simulate: object, correlation: float) -> None:
    assert callable(simulate)
    sets = simulate(World(4, 20_000, correlation), np.random.default_rng(12))
    np.testing.assert_allclose(paired(measure).value(sets.sums.sum(axis=1)), sets.lead, atol=0.006)


def test_the_correlation_within_a_speaker_is_what_it_is_called() -> None:
    """Variance between speakers' rates, less what chance within them adds, over the variance of utterance scores."""
    for correlation in (0.1, 0.3):
        sets = recogniser_sums(World(1, 40_000, correlation, "25"), np.random.default_rng(13))
        rates = sets.sums[0, :, 2] / sets.sums[0, :, 3]
        within = np.mean(rates * (1 - rates)) / (25 * 8 - 1)  # unbiased of p (1 - p) / (25 · 8)
        between = rates.var() - within
        utterances = between + within * 25
        assert between / utterances == pytest.approx(correlation, abs=0.01)


@pytest.mark.parametrize(("main", "cells"), [(coverage.main, 36), (power.main, 6)], ids=["coverage", "power"])
def test_tables_end_in_what_was_found(main: Callable[[list[str]], int], cells: int, capsys: Capture) -> None:
    assert main(["--draws", "60"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {"what", "ours", "peer", "ratio", "target", "holds"} <= json.loads(lines[-1]).keys()
    assert sum(line.count("0.") >= 3 for line in lines) >= cells
