"""Batches as budgets of audio, and the padding of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voxloop.tasks.recipe import BatchingConfig

Samples = npt.NDArray[np.int16]

FULL_SCALE = 32_768.0
"""One, in 16-bit samples."""


class Batch(NamedTuple):
    """Utterances padded with zeros to the longest of them."""

    waveform: Tensor
    """float32 [batch, samples], in [-1, 1]."""
    num_samples: Tensor
    """int64 [batch]."""
    labels: Tensor
    """int64 [batch]."""


def plan_batches(
    durations: Sequence[float], config: BatchingConfig, *, seed: int | None = None, epoch: int = 0
) -> list[list[int]]:
    """Put every utterance into exactly one batch of at most `audio_seconds`, padding included.

    Utterances are shuffled, sorted by length inside pools and cut into batches; the batches are shuffled again. The
    plan is a function of the arguments. An utterance longer than the budget is a batch of its own.

    Args:
        durations: Seconds of each utterance.
        config: Budget and pool.
        seed: Seed of the shuffles; None keeps the order of length, for evaluation.
        epoch: Number of the epoch, for a new order in each.

    Returns:
        Indices into `durations`.
    """
    if seed is None:
        return _cut(_by_length(range(len(durations)), durations), durations, config.audio_seconds)
    draw = np.random.default_rng((seed, epoch))
    order = draw.permutation(len(durations)).tolist()
    pools = [order[start : start + config.pool_utterances] for start in range(0, len(order), config.pool_utterances)]
    batches = [batch for pool in pools for batch in _cut(_by_length(pool, durations), durations, config.audio_seconds)]
    return [batches[index] for index in draw.permutation(len(batches))]


def pad_batch(utterances: Sequence[tuple[Samples, int]]) -> Batch:
    """Join (samples int16 [n], label) pairs into one padded batch."""
    lengths = [len(samples) for samples, _ in utterances]
    waveform = np.zeros((len(utterances), max(lengths)), dtype=np.float32)
    for row, (samples, _) in zip(waveform, utterances, strict=True):
        row[: len(samples)] = samples / np.float32(FULL_SCALE)
    labels = [label for _, label in utterances]
    return Batch(torch.from_numpy(waveform), torch.tensor(lengths), torch.tensor(labels))


def _by_length(indices: Sequence[int] | range, durations: Sequence[float]) -> list[int]:
    return sorted(indices, key=lambda index: durations[index])


def _cut(ordered: Sequence[int], durations: Sequence[float], budget: float) -> list[list[int]]:
    """Cut indices, shortest first, into batches: the last of a batch is its longest."""
    batches: list[list[int]] = []
    for index in ordered:
        if batches and (len(batches[-1]) + 1) * durations[index] <= budget:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches
