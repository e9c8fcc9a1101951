"""Normalising by the statistics of a batch, where a step may be of several batches, on one process or on many."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class BatchStatistics(nn.Module):
    """Variance and mean of each channel over what is no padding: the batch's in training, else their running means.

    S. Ioffe, C. Szegedy, "Batch normalization", ICML 2015, without the last linear step. A batch is normalised by
    itself alone, also where a step has several (E. Hoffer and others, "Train longer, generalize better", NeurIPS
    2017); the running means move once a step, by the mean over its batches. So a step does the same whichever rank has
    which of its batches, and no rank waits for another within the network.
    """

    running_mean: Tensor
    running_variance: Tensor
    unread: Tensor
    """Sum of variance and mean over the batches since they were last read, float32 [2, channels, 1, 1]."""

    def __init__(self, channels: int, momentum: float = 0.1) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("running_mean", torch.zeros(channels, 1, 1))
        self.register_buffer("running_variance", torch.ones(channels, 1, 1))
        self.register_buffer("unread", torch.zeros(2, channels, 1, 1), persistent=False)

    def forward(self, maps: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return two of [channels, 1, 1] for [batch, channels, mels, frames] and bool [batch, 1, 1, frames]."""
        if not self.training:
            return self.running_variance, self.running_mean
        inside = mask.to(maps.dtype)
        size = inside.sum() * maps.shape[2]
        mean = ((maps * inside).sum(dim=(0, 2, 3)) / size)[:, None, None]
        variance = (((maps - mean) * inside).square().sum(dim=(0, 2, 3)) / size)[:, None, None]
        with torch.no_grad():
            self.unread += torch.stack((variance, mean))
        return variance, mean

    def read(self) -> Tensor:
        """Return `unread`, float32 [2, channels, 1, 1], and begin again."""
        found = self.unread.clone()
        self.unread.zero_()
        return found

    def move(self, statistics: Tensor) -> None:
        """Move the running means towards variance and mean, float32 [2, channels, 1, 1]."""
        self.running_variance.lerp_(statistics[0], self.momentum)
        self.running_mean.lerp_(statistics[1], self.momentum)
