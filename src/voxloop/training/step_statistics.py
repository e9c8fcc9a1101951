"""Statistics of activations over a whole step, whose batches may lie on several ranks."""

from __future__ import annotations

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from voxloop.tasks.batch_statistics import BatchStatistics


class StepStatistics:
    """Moves the running means of all `BatchStatistics` of a network once a step; without any it does nothing.

    Args:
        fabric: Launched.
        network: Unwrapped.
    """

    def __init__(self, fabric: Fabric, network: nn.Module) -> None:
        self._fabric = fabric
        self._modules = [module for module in network.modules() if isinstance(module, BatchStatistics)]
        self._found: list[Tensor] = []

    @torch.no_grad()
    def gather(self, batches: int) -> None:
        """Take the mean over the `batches` of a step, on all ranks; they wait for each other here."""
        if not self._modules:
            return
        read = [module.read() for module in self._modules]
        joined = torch.cat([one.flatten() for one in read]) / batches
        if self._fabric.world_size > 1:
            torch.distributed.all_reduce(joined)
        parts = torch.split(joined, [one.numel() for one in read])
        self._found = [part.view_as(one) for part, one in zip(parts, read, strict=True)]

    @torch.no_grad()
    def move(self) -> None:
        """Move the running means by what was gathered, with the weights."""
        for module, found in zip(self._modules, self._found, strict=True):
            module.move(found)
