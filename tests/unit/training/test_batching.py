"""Batches: every utterance once, within the budget, whole steps of like batches, and a place that is one number."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any, overload

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxloop.errors import InputError
from voxloop.tasks.recipe import BatchingConfig
from voxloop.training.batching import EpochPlan, Indices, Seconds, cut_batches, plan_dev, plan_epoch

BUDGET = 10.0
SLACK = 1e-9

durations = st.lists(st.floats(0.1, 12.0), min_size=1, max_size=60)
small_durations = st.lists(st.floats(0.1, 2.0), min_size=8, max_size=80)


def config(pool: int = 4096, budget: float = BUDGET) -> BatchingConfig:
    return BatchingConfig(audio_seconds=budget, pool_utterances=pool)


def spoken(count: int, seed: int = 0) -> Seconds:
    return np.random.default_rng(seed).lognormal(1.6, 0.6, count).clip(0.5, 30.0)


def as_lists(plan: EpochPlan) -> list[list[list[int]]]:
    return [[batch.tolist() for batch in plan[step]] for step in range(len(plan))]


def computed(batch: Indices, seconds: Seconds) -> float:
    return len(batch) * float(seconds[batch].max())


@given(durations, st.integers(0, 9), st.integers(0, 3), st.integers(1, 40), st.integers(1, 8))
def test_a_plan_holds_every_utterance_once_within_the_budget_in_whole_steps_or_is_refused(
    lengths: list[float], seed: int, epoch: int, pool: int, batches_a_step: int
) -> None:
    seconds = np.array(lengths)
    try:
        plan = plan_epoch(seconds, config(pool), seed=seed, epoch=epoch, batches_a_step=batches_a_step)
    except InputError:
        # All in one pool is the fewest batches there can be: even those do not fill whole steps with an utterance each.
        fewest = len(plan_dev(seconds, config()))
        assert -(-fewest // batches_a_step) * batches_a_step > len(lengths)
        return
    batches = list(chain.from_iterable(plan))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert all(len(batch) == 1 or computed(batch, seconds) <= BUDGET + SLACK for batch in batches)
    assert all(len(batch) for batch in batches)
    assert len(batches) == len(plan) * batches_a_step
    assert all(len(step) == batches_a_step for step in plan)


@given(small_durations, st.integers(1, 40), st.integers(1, 8))
def test_what_is_short_beside_the_budget_is_never_refused(lengths: list[float], pool: int, batches_a_step: int) -> None:
    assert plan_epoch(np.array(lengths), config(pool), seed=0, epoch=0, batches_a_step=batches_a_step)


@given(durations, st.integers(0, 9), st.integers(0, 3))
def test_a_plan_is_a_function_of_its_arguments(lengths: list[float], seed: int, epoch: int) -> None:
    seconds = np.array(lengths)
    plans = [plan_epoch(seconds, config(7), seed=seed, epoch=epoch) for _ in range(2)]
    assert as_lists(plans[0]) == as_lists(plans[1])


def test_epochs_and_seeds_differ() -> None:
    seconds = spoken(200)
    plans = [plan_epoch(seconds, config(), seed=seed, epoch=epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert len({str(as_lists(plan)) for plan in plans}) == 4


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_ranks_share_the_steps_of_one_process_evenly(ranks: int) -> None:
    alone = plan_epoch(spoken(300), config(), seed=3, epoch=1, batches_a_step=4)
    for step in alone:
        shares = [step[rank::ranks] for rank in range(ranks)]
        assert {len(share) for share in shares} == {4 // ranks}
        taken = sorted(batch.tolist() for share in shares for batch in share)
        assert taken == sorted(batch.tolist() for batch in step)


def test_the_batches_of_a_step_are_alike() -> None:
    seconds = spoken(8_000)
    plan = plan_epoch(seconds, config(budget=120.0), seed=0, epoch=0, batches_a_step=8)
    work = np.array([[computed(batch, seconds) for batch in step] for step in plan])
    lost = 1.0 - work.sum() / (8 * work.max(axis=1).sum())
    assert lost < 0.04
    shortest = np.array([min(seconds[batch].min() for batch in step) for step in plan])
    longest = np.array([max(seconds[batch].max() for batch in step) for step in plan])
    assert np.median(longest / shortest) < 1.1


def test_steps_that_are_not_whole_lower_the_budget_of_all() -> None:
    plan = plan_epoch(np.full(100, 1.0), config(budget=12.0), seed=0, epoch=0, batches_a_step=5)
    assert sorted(len(batch) for step in plan for batch in step) == [10] * 10


def test_equal_lengths_that_no_budget_divides_are_halved() -> None:
    plan = plan_epoch(np.full(9, 1.0), config(budget=3.0), seed=0, epoch=0, batches_a_step=4)
    assert sorted(len(batch) for step in plan for batch in step) == [1, 2, 3, 3]


def test_a_pool_too_small_for_whole_steps_is_joined_with_the_others() -> None:
    seconds = np.array([1.0, 1.0, 9.0, 9.0, 9.0, 9.0, 9.0, 1.0, 1.0])
    for epoch in range(20):
        plan = plan_epoch(seconds, config(pool=4), seed=0, epoch=epoch, batches_a_step=4)
        assert len(plan) == 2


@pytest.mark.parametrize("ranks", [2, 64])
def test_more_ranks_than_data_is_refused_with_the_numbers(ranks: int) -> None:
    with pytest.raises(InputError, match=rf"1 utterances for steps of {ranks} batches") as refused:
        plan_epoch(np.array([3.0]), config(), seed=0, epoch=0, batches_a_step=ranks)
    assert "every rank needs an utterance in every step" in str(refused.value)


def test_utterances_that_fill_no_whole_steps_are_refused_with_the_numbers() -> None:
    with pytest.raises(InputError, match=r"6 utterances, of 9 s on average, for steps of 4 batches of 10 s"):
        plan_epoch(np.full(6, 9.0), config(), seed=0, epoch=0, batches_a_step=4)


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan"), float("inf")])
def test_a_length_that_is_none_is_refused(wrong: float) -> None:
    with pytest.raises(InputError, match=r"utterance 1 of 3 lasts .* s \(1 such\)"):
        plan_epoch(np.array([1.0, wrong, 2.0]), config(), seed=0, epoch=0)


def test_no_utterances_are_no_batches() -> None:
    assert cut_batches(np.arange(0), np.zeros(0), BUDGET) == []


@given(durations)
def test_dev_is_cut_into_the_fewest_batches_shortest_first(lengths: list[float]) -> None:
    seconds = np.array(lengths)
    plan = plan_dev(seconds, config())
    order = np.concatenate(plan)
    assert sorted(order.tolist()) == list(range(len(lengths)))
    assert (np.diff(seconds[order]) >= 0.0).all()
    # Two neighbours never fit into one: otherwise a batch fewer would do.
    longer = [np.concatenate(pair) for pair in pairwise(plan)]
    assert all(computed(batch, seconds) > BUDGET - SLACK for batch in longer)


def test_sorting_inside_a_pool_wastes_little() -> None:
    seconds = spoken(6_000)
    plan = plan_epoch(seconds, config(budget=60.0), seed=0, epoch=0)
    work = [computed(batch, seconds) for step in plan for batch in step]
    assert 1.0 - float(seconds.sum()) / sum(work) < 0.01


class CountedBatches(Sequence[Indices]):
    """A million batches that count how many of them are looked at."""

    def __init__(self) -> None:
        self.seen = 0

    def __len__(self) -> int:
        return 1_000_000

    @overload
    def __getitem__(self, place: int) -> Indices: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Indices]: ...
    def __getitem__(self, place: Any) -> Any:
        places = range(len(self))[place]
        assert isinstance(places, range)
        self.seen += len(places)
        return [np.array([number]) for number in places]


@pytest.mark.parametrize("step", [0, 1, 249_999])
def test_a_step_is_found_without_those_before_it(step: int) -> None:
    batches = CountedBatches()
    found = EpochPlan(batches, batches_a_step=4)[step]
    assert [batch.tolist() for batch in found] == [[4 * step], [4 * step + 1], [4 * step + 2], [4 * step + 3]]
    assert batches.seen == 4


@pytest.mark.parametrize("step", [-1, 3])
def test_a_step_outside_the_epoch_is_none(step: int) -> None:
    plan = EpochPlan([np.array([number]) for number in range(6)], batches_a_step=2)
    with pytest.raises(IndexError):
        plan[step]


@given(small_durations, st.integers(1, 4))
def test_a_steps_sum_is_over_its_utterances(lengths: list[float], batches_a_step: int) -> None:
    seconds = np.array(lengths)
    plan = plan_epoch(seconds, config(budget=4.0), seed=1, epoch=0, batches_a_step=batches_a_step)
    wanted = [sum(seconds[index] for batch in step for index in batch) for step in plan]
    assert plan.sums(seconds) == pytest.approx(wanted)
    assert sum(plan.sums(np.ones(len(lengths)))) == len(lengths)
