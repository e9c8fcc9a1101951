"""Batches: every utterance once, within the budget, the same for the same seed."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from voxloop.tasks.recipe import BatchingConfig
from voxloop.training.batching import pad_batch, plan_batches

durations = st.lists(st.floats(0.1, 12.0), min_size=1, max_size=60)


@given(durations, st.one_of(st.none(), st.integers(0, 9)), st.integers(0, 3), st.integers(1, 40))
def test_every_utterance_is_in_one_batch_within_the_budget(
    lengths: list[float], seed: int | None, epoch: int, pool: int
) -> None:
    config = BatchingConfig(audio_seconds=10.0, pool_utterances=pool)
    plan = plan_batches(lengths, config, seed=seed, epoch=epoch)
    assert sorted(index for batch in plan for index in batch) == list(range(len(lengths)))
    for batch in plan:
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= 10.0
    assert plan == plan_batches(lengths, config, seed=seed, epoch=epoch)


def test_epochs_and_seeds_differ() -> None:
    lengths = np.random.default_rng(0).uniform(1.0, 4.0, 200).tolist()
    config = BatchingConfig(audio_seconds=10.0)
    plans = [plan_batches(lengths, config, seed=seed, epoch=epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert len({str(plan) for plan in plans}) == 4


def test_sorting_inside_a_pool_wastes_little() -> None:
    lengths = np.random.default_rng(0).uniform(1.0, 8.0, 2_000).tolist()
    plan = plan_batches(lengths, BatchingConfig(audio_seconds=60.0), seed=0)
    computed = sum(len(batch) * max(lengths[index] for index in batch) for batch in plan)
    assert 1.0 - sum(lengths) / computed < 0.05


def test_padding_is_silence_behind() -> None:
    batch = pad_batch([(np.array([-32_768, 16_384], dtype=np.int16), 3), (np.array([1, 2, 3], dtype=np.int16), 0)])
    torch.testing.assert_close(batch.waveform[0], torch.tensor([-1.0, 0.5, 0.0]))
    assert batch.num_samples.tolist() == [2, 3]
    assert batch.labels.tolist() == [3, 0]
    assert (batch.waveform.dtype, batch.num_samples.dtype) == (torch.float32, torch.int64)
