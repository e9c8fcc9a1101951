"""Batches as budgets of audio, and the steps of an epoch.

A step is a fixed number of batches, of neighbouring lengths: ranks share them evenly, and one rank alone takes them one
after another with the same gradient. The plan of an epoch is a function of lengths, configuration, seed and epoch, so
a training's place in it is one number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voxloop.errors import InputError
from voxloop.tasks.recipe import BatchingConfig

Indices = npt.NDArray[np.int64]
Seconds = npt.NDArray[np.float64]

EVEN_ROUNDS = 10
"""Halvings of the interval in which the smallest sufficient budget of a pool is sought: to a thousandth."""


@dataclass(frozen=True)
class EpochPlan:
    """The steps of one epoch; step i is a tuple of batches, each the indices of its utterances, int64 [n].

    Args:
        batches: Every batch, steps one after another.
        batches_a_step: How many make a step.
    """

    batches: Sequence[Indices]
    batches_a_step: int

    def __len__(self) -> int:
        return len(self.batches) // self.batches_a_step

    def __getitem__(self, step: int) -> tuple[Indices, ...]:
        if not 0 <= step < len(self):
            raise IndexError(step)
        return tuple(self.batches[step * self.batches_a_step : (step + 1) * self.batches_a_step])

    def __iter__(self) -> Iterator[tuple[Indices, ...]]:
        return (self[step] for step in range(len(self)))

    def sums(self, values: npt.NDArray[np.float64]) -> list[float]:
        """Return for each step the sum of `values`, float64 [n], over its utterances."""
        sizes = np.array([len(batch) for batch in self.batches])
        starts = (np.cumsum(sizes) - sizes)[:: self.batches_a_step]
        return [float(total) for total in np.add.reduceat(values[np.concatenate(self.batches)], starts)]


def plan_epoch(
    seconds: Seconds, config: BatchingConfig, *, seed: int, epoch: int, batches_a_step: int = 1
) -> EpochPlan:
    """Put every utterance into exactly one batch of at most `audio_seconds`, padding included.

    Utterances are shuffled, sorted by length inside pools and cut into batches; batches of neighbouring lengths make a
    step, and the steps are shuffled. An utterance longer than the budget is a batch of its own. Where the batches of a
    pool do not fill whole steps, its budget is lowered until they do, so that those of a step stay alike.

    Args:
        seconds: Length of each utterance, float64 [n].
        config: Budget and pool.
        seed: Seed of the shuffles.
        epoch: Number of the epoch, for a new order in each.
        batches_a_step: Batches that make a step.

    Raises:
        InputError: There are too few utterances, or too long ones, to fill whole steps; or a length is no length.
    """
    _check_lengths(seconds, config, batches_a_step)
    draw = np.random.default_rng((seed, epoch))
    order = draw.permutation(len(seconds))
    pools = _pools(order, config.pool_utterances, batches_a_step)
    batches = _cut_pools(pools, seconds, config.audio_seconds, batches_a_step)
    if batches is None:
        batches = _cut_pools([order], seconds, config.audio_seconds, batches_a_step)
    if batches is None:
        raise InputError(
            f"{len(seconds)} utterances, of {float(seconds.mean()):g} s on average, for steps of {batches_a_step} "
            f"batches of {config.audio_seconds:g} s",
            rule="the batches of an epoch fill whole steps, and only a single utterance may exceed a batch",
            remedy="raise batching.audio_seconds, or lower batching.batches_a_step or the number of devices",
        )
    steps = draw.permutation(len(batches) // batches_a_step)
    ordered = EpochPlan(batches, batches_a_step)
    return EpochPlan([batch for step in steps.tolist() for batch in ordered[step]], batches_a_step)


def plan_dev(seconds: Seconds, config: BatchingConfig) -> list[Indices]:
    """Put every utterance into one batch, in the order of length."""
    return cut_batches(np.argsort(seconds, kind="stable"), seconds, config.audio_seconds)


def cut_batches(ordered: Indices, seconds: Seconds, budget: float) -> list[Indices]:
    """Cut indices, shortest first, into as few batches as the budget allows: the last of a batch is its longest."""
    return _slices(ordered, _cut_ends(seconds[ordered].tolist(), budget))


def _check_lengths(seconds: Seconds, config: BatchingConfig, batches_a_step: int) -> None:
    if len(seconds) < batches_a_step:
        raise InputError(
            f"{len(seconds)} utterances for steps of {batches_a_step} batches",
            rule="every rank needs an utterance in every step",
            remedy="train on more data, with fewer devices or a smaller batching.batches_a_step",
        )
    wrong = np.flatnonzero(~(np.isfinite(seconds) & (seconds > 0.0)))
    if len(wrong):
        raise InputError(
            f"utterance {wrong[0]} of {len(seconds)} lasts {seconds[wrong[0]]:g} s ({len(wrong)} such)",
            rule=f"batches of {config.audio_seconds:g} s are made of utterances longer than 0 s",
            remedy="leave them out of the dataset",
        )


def _pools(order: Indices, size: int, multiple: int) -> list[Indices]:
    """Cut into pools of about `size`, all but the last one multiples of `multiple`: such a pool can fill its steps."""
    units = len(order) // multiple
    count = max(1, min(units, round(len(order) / max(size, 1))))
    ends = [units * number // count * multiple for number in range(1, count)]
    return np.split(order, ends)


def _cut_pools(pools: list[Indices], seconds: Seconds, budget: float, multiple: int) -> list[Indices] | None:
    """Return the batches of all pools, each pool a multiple of `multiple`; None where one cannot be."""
    batches: list[Indices] = []
    for pool in pools:
        ordered = pool[np.argsort(seconds[pool], kind="stable")]
        ends = _cut_evenly(seconds[ordered].tolist(), budget, multiple)
        if ends is None:
            return None
        batches += _slices(ordered, ends)
    return batches


def _cut_evenly(lengths: list[float], budget: float, multiple: int) -> list[int] | None:
    """Cut lengths, shortest first, into a multiple of `multiple` batches, none needlessly large; None if impossible."""
    ends = _cut_ends(lengths, budget)
    wanted = -(-len(ends) // multiple) * multiple
    if wanted > len(lengths):
        return None
    if multiple > 1:
        low, high = 0.0, budget
        for _ in range(EVEN_ROUNDS):
            middle = (low + high) / 2
            if len(found := _cut_ends(lengths, middle, most=wanted)) <= wanted:
                high, ends = middle, found
            else:
                low = middle
    return _halve_largest(ends, wanted)


def _cut_ends(lengths: list[float], budget: float, most: int | None = None) -> list[int]:
    """Return where each batch ends, from the longest down; gives up once there are more than `most`.

    A batch's longest is known before the others, so its size is one division.
    """
    ends: list[int] = []
    end = len(lengths)
    while end > 0 and (most is None or len(ends) <= most):
        ends.append(end)
        end -= max(1, int(min(end, budget / lengths[end - 1])))
    ends.reverse()
    return ends


def _halve_largest(ends: list[int], wanted: int) -> list[int]:
    """Halve the batches of most utterances until there are `wanted`, at most as many as utterances."""
    while len(ends) < wanted:
        sizes = np.diff([0, *ends])
        fullest = int(sizes.argmax())
        ends = [*ends[:fullest], ends[fullest] - int(sizes[fullest]) // 2, *ends[fullest:]]
    return ends


def _slices(ordered: Indices, ends: list[int]) -> list[Indices]:
    return [ordered[start:end] for start, end in zip([0, *ends], ends, strict=False)]
