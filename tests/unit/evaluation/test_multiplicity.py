"""Holm's procedure by a table worked by hand, by its closed form, and by how often it errs."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxloop.evaluation.multiplicity import holm


def close_bonferroni(p_values: list[float], alpha: float) -> list[bool]:
    """Reject a hypothesis when Bonferroni rejects every intersection it is part of (Marcus, Peritz, Gabriel 1976)."""
    places = range(len(p_values))
    subsets = [some for size in range(1, len(p_values) + 1) for some in combinations(places, size)]
    return [
        all(min(p_values[one] for one in some) <= alpha / len(some) for some in subsets if place in some)
        for place in places
    ]


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([0.01, 0.04, 0.03, 0.005], [True, False, False, True]),  # 0.0125, 0.0167, 0.025 stops
        ([0.01, 0.02, 0.02], [True, True, True]),
        ([0.02, 0.02, 0.02], [False, False, False]),
        ([0.04], [True]),
        ([0.01, float("nan")], [True, False]),
        ([0.04, float("nan")], [False, False]),
        ([], []),
    ],
)
def test_a_table_worked_by_hand(p_values: list[float], expected: list[bool]) -> None:
    assert holm(p_values, 0.05).tolist() == expected


@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=6))
def test_it_is_the_closure_of_bonferroni(p_values: list[float]) -> None:
    assert holm(p_values, 0.1).tolist() == close_bonferroni(p_values, 0.1)


def test_any_false_rejection_is_as_rare_as_promised() -> None:
    p_values = np.random.default_rng(0).random((4000, 8))
    p_values[:, :3] *= 0.001
    wrong = np.mean([holm(row.tolist(), 0.05)[3:].any() for row in p_values])
    assert wrong <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 4000)
