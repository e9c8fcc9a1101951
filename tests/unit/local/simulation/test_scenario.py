"""The script of a simulation: a function of the seed, with drifts apart and decoys short."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxloop.errors import InputError
from voxloop.local.simulation.config import WINDOWS_A_DAY
from voxloop.local.simulation.scenario import DETECTION, FOLLOWED, DecoyKind, Scenario, draw_scenario

STRENGTHS = {"noise": (0.0, 8.0), "telephone": (0.7, 1.0), "accent": (0.9, 1.1)}


def scenario(days: int, seed: int) -> Scenario:
    return draw_scenario(days, seed, STRENGTHS, quiet_windows=4)


days, seeds = st.integers(4, 35), st.integers(0, 2**32)


@given(days, seeds)
def test_the_same_seed_writes_the_same_script(days: int, seed: int) -> None:
    assert scenario(days, seed) == scenario(days, seed)


@given(days, seeds)
def test_no_drift_begins_while_another_is_to_be_answered_and_each_is_followed(days: int, seed: int) -> None:
    found = scenario(days, seed)
    ends = [*(one.begins for one in found.drifts[1:]), found.windows[1]]
    assert found.drifts
    assert all(one.begins + DETECTION + FOLLOWED <= end for one, end in zip(found.drifts, ends, strict=True))
    assert found.drifts[0].begins >= found.windows[0]
    assert found.windows[1] == 4 + days * WINDOWS_A_DAY


@given(days, seeds)
def test_a_decoy_is_short_and_over_before_the_next_drift_and_after_the_last_was_answered(days: int, seed: int) -> None:
    found = scenario(days, seed)
    for decoy in found.decoys:
        assert 0 < decoy.ends - decoy.begins <= 2 * WINDOWS_A_DAY
        assert not any(one.begins < decoy.ends and decoy.begins < one.answered_by for one in found.drifts)
        assert decoy.kind is not DecoyKind.LOUD_HOUR or decoy.ends == decoy.begins + 1


@given(days, seeds)
def test_what_is_heard_follows_the_script(days: int, seed: int) -> None:
    found = scenario(days, seed)
    windows = [found.window(number) for number in range(found.windows[1])]
    assert all(one.drift is None for one in windows[: found.drifts[0].begins])
    assert [one.labels for one in windows if one.labels] == list(found.drifts)
    assert all(one.labels is one.drift for one in windows if one.labels)
    assert all(low <= one.strength <= high for one in found.drifts for low, high in [STRENGTHS[one.kind]])
    assert {one.decoy for one in windows if one.decoy} == set(found.decoys)


@given(seeds)
def test_kinds_do_not_follow_themselves(seed: int) -> None:
    kinds = [one.kind for one in scenario(35, seed).drifts]
    assert all(one != other for one, other in pairwise(kinds))
    assert set(kinds) == set(STRENGTHS)


def test_other_seeds_write_other_scripts() -> None:
    assert len({scenario(30, seed).drifts for seed in range(20)}) == 20


@pytest.mark.parametrize("days", [3, 36])
def test_too_few_days_and_too_many_are_refused(days: int) -> None:
    with pytest.raises(InputError, match=f"{days} days"):
        scenario(days, 1)
