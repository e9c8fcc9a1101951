"""Padding of our batches against lhotse's DynamicBucketingSampler, and what a plan costs.

Both cut the same 30,000 lengths into batches of 240 s, padding included: utterances times the longest of them, which
is what lhotse's `max_duration` means too, only that its last utterance may take a batch a little over; that is printed
and left to it. Each takes three epochs in a new order, on one thread. lhotse keeps its defaults (a buffer of 20,000
utterances) but for 30 buckets; ours is the default pool of 4,096. The share of padding is 1 - (sum of lengths) / (sum
over batches of utterances times the longest).

Bounds beside the ratio: at most 2 % of padding and 2 µs of processor time an utterance, for one rank and for eight.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.report import Finding
from voxloop.tasks.recipe import BatchingConfig
from voxloop.training.batching import plan_epoch

UTTERANCES = 30_000
EPOCHS = 3
BUDGET = 240.0
BUCKETS = 30
TARGET = 0.5
MOST_PADDING = 0.02
MOST_MICROSECONDS = 2.0

Lengths = npt.NDArray[np.float64]
Batches = list[npt.NDArray[np.int64]]


def measure() -> Finding:
    """Return the mean share of padding of each on log-normal lengths; other lengths go to standard error."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    found = {name: compare(name, lengths) for name, lengths in make_lengths().items()}
    ours, peer = found["log-normal"]
    return Finding(f"batching: share of padding in {BUDGET:g} s", ours, peer, TARGET, "at most")


def make_lengths() -> dict[str, Lengths]:
    """Return lengths in seconds, float64 [30000], of two kinds of corpora, to the sample of 16 kHz.

    `log-normal` is conversation and commands: median 5 s, 0.5 to 30 s. `read` has the shape of LibriSpeech's training
    sets: segments cut at up to 17 s, most of them near that, mean 12.5 s.
    """
    draw = np.random.default_rng(4)
    spoken = np.exp(draw.normal(np.log(5.0), 0.6, UTTERANCES)).clip(0.5, 30.0)
    full = draw.normal(14.6, 1.3, UTTERANCES).clip(1.5, 17.0)
    read = np.where(draw.random(UTTERANCES) < 0.72, full, draw.uniform(1.5, 14.0, UTTERANCES))
    return {name: np.round(lengths * 16_000) / 16_000 for name, lengths in (("log-normal", spoken), ("read", read))}


def compare(name: str, lengths: Lengths) -> tuple[float, float]:
    """Return the mean share of padding of ours and lhotse's over epochs, taken in turn; check the other bounds."""
    cuts = make_cuts(lengths)
    sides: dict[str, Callable[[int], Batches]] = {
        "ours": lambda epoch: plan_ours(lengths, epoch, ranks=1),
        "ours, 8 ranks": lambda epoch: plan_ours(lengths, epoch, ranks=8),
        "lhotse": lambda epoch: sample_lhotse(cuts, epoch),
    }
    padding: dict[str, list[float]] = {side: [] for side in sides}
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    largest = dict.fromkeys(sides, 0.0)
    for epoch in range(EPOCHS):
        for side, plan in sides.items():
            started = time.process_time()
            batches = plan(epoch)
            seconds[side].append(time.process_time() - started)
            computed = computed_seconds(batches, lengths)
            padding[side].append(1.0 - float(lengths.sum() / computed.sum()))
            largest[side] = max(largest[side], float(computed.max()))
    for side in sides:
        share, cost = float(np.mean(padding[side])), min(seconds[side]) / UTTERANCES * 1e6
        told = f"padding {share:.4f}, {cost:.2f} µs an utterance, largest batch {largest[side]:.1f} s"
        print(f"{name}, {side}: {told}", file=sys.stderr)
        if side != "lhotse":
            assert largest[side] <= BUDGET + 1e-6, f"{side}: a batch of {largest[side]} s"
            assert share <= MOST_PADDING, f"{side}: {share:.4f} of padding, at most {MOST_PADDING} may be"
            assert cost <= MOST_MICROSECONDS, f"{side}: {cost:.2f} µs an utterance, at most {MOST_MICROSECONDS} may be"
    return float(np.mean(padding["ours"])), float(np.mean(padding["lhotse"]))


def plan_ours(lengths: Lengths, epoch: int, *, ranks: int) -> Batches:
    """Return the batches of an epoch, as a training takes them."""
    plan = plan_epoch(lengths, BatchingConfig(audio_seconds=BUDGET), seed=0, epoch=epoch, batches_a_step=ranks)
    return [batch for step in plan for batch in step]


def make_cuts(lengths: Lengths) -> Sequence[object]:
    """Return lhotse's cuts of these lengths, without sound: a sampler looks at none."""
    os.environ.setdefault("LHOTSE_AUDIO_BACKEND", "LibsndfileBackend")  # noqa: TID251 - lhotse has no other switch
    from lhotse import CutSet, MonoCut  # noqa: PLC0415 - it reads the variable when it is imported

    durations = enumerate(lengths.tolist())
    cuts = [MonoCut(id=str(number), start=0.0, duration=duration, channel=0) for number, duration in durations]
    return CutSet(cuts)  # type: ignore[no-any-return]


def sample_lhotse(cuts: Sequence[object], epoch: int) -> Batches:
    """Return the batches of an epoch of lhotse's sampler."""
    from lhotse.dataset import DynamicBucketingSampler  # noqa: PLC0415 - after the variable above

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that cuts in memory save no memory
        sampler = DynamicBucketingSampler(cuts, max_duration=BUDGET, num_buckets=BUCKETS, shuffle=True, seed=0)
        sampler.set_epoch(epoch)
        return [np.array([int(cut.id) for cut in batch]) for batch in sampler]


def computed_seconds(batches: Batches, lengths: Lengths) -> Lengths:
    """Return the seconds of each batch, padding included, once it is sure that they hold every utterance."""
    assert np.array_equal(np.sort(np.concatenate(batches)), np.arange(len(lengths)))
    return np.array([len(batch) * float(lengths[batch].max()) for batch in batches])


if __name__ == "__main__":
    print(measure().as_json())
