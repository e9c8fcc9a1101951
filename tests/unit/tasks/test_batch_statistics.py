"""Normalising by a batch: padding stays out, and the running means move once a step."""

from __future__ import annotations

import pytest
import torch
from lightning.fabric import Fabric
from torch import nn

from voxloop.tasks.batch_statistics import BatchStatistics
from voxloop.training.step_statistics import StepStatistics


def test_of_what_is_no_padding() -> None:
    torch.manual_seed(3)
    maps = torch.randn(2, 3, 4, 7)
    mask = torch.arange(7)[None, None, None, :] < torch.tensor([7, 5])[:, None, None, None]
    variance, mean = BatchStatistics(3)(maps, mask)
    inside = torch.cat([maps[0].flatten(1), maps[1, :, :, :5].flatten(1)], dim=1)
    torch.testing.assert_close(mean.flatten(), inside.mean(dim=1))
    torch.testing.assert_close(variance.flatten(), inside.var(dim=1, correction=0))


def test_one_batch_a_step_is_torchs_batch_norm() -> None:
    torch.manual_seed(4)
    ours, theirs = BatchStatistics(3), nn.BatchNorm2d(3)
    statistics = StepStatistics(Fabric(accelerator="cpu", devices=1), ours)
    for _ in range(5):
        maps = 2.0 * torch.randn(4, 3, 6, 50) + 1.0
        theirs(maps)
        ours(maps, torch.ones(4, 1, 1, 50, dtype=torch.bool))
        statistics.gather(1)
        statistics.move()
    torch.testing.assert_close(ours.running_mean.flatten(), theirs.running_mean)
    # torch's running variance is the unbiased one: n / (n - 1), with n = 1,200.
    torch.testing.assert_close(ours.running_variance.flatten(), theirs.running_var, rtol=1e-3, atol=0.0)


@pytest.mark.parametrize("batches", [1, 3])
def test_the_running_means_move_once_a_step(batches: int) -> None:
    torch.manual_seed(5)
    ours = BatchStatistics(2, momentum=0.5)
    statistics = StepStatistics(Fabric(accelerator="cpu", devices=1), nn.Sequential(ours))
    found = [ours(torch.randn(1, 2, 3, 4), torch.ones(1, 1, 1, 4, dtype=torch.bool)) for _ in range(batches)]
    assert ours.running_mean.count_nonzero() == 0
    statistics.gather(batches)
    statistics.move()
    torch.testing.assert_close(ours.running_mean, 0.5 * sum(mean for _, mean in found) / batches)
    assert ours.unread.count_nonzero() == 0
    assert "unread" not in ours.state_dict()
