"""The running mean of the weights, which is scored and kept in their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Exponential moving average of a network's parameters; with decay None there is none, and nothing is done.

    B. Polyak, A. Juditsky, "Acceleration of stochastic approximation by averaging", 1992; the decay rises with the
    steps as min(decay, (1 + step) / (10 + step)), so that the first weights are soon forgotten (TensorFlow's
    ExponentialMovingAverage with num_updates).
    """

    def __init__(self, network: nn.Module, decay: float | None) -> None:
        self.network = network
        self.decay = decay
        self.mean: dict[str, Tensor] = {}
        if decay is not None:
            self.mean = {name: value.detach().clone() for name, value in network.named_parameters()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the mean towards the weights after step number `step`, counted from 1."""
        if self.decay is None:
            return
        decay = min(self.decay, (1 + step) / (10 + step))
        weights = dict(self.network.named_parameters())
        torch._foreach_lerp_(list(self.mean.values()), [weights[name].detach() for name in self.mean], 1.0 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the mean in the place of the weights for a while."""
        weights = {name: value.detach().clone() for name, value in self.network.named_parameters() if self.mean}
        self._copy(self.mean)
        try:
            yield
        finally:
            self._copy(weights)

    @torch.no_grad()
    def _copy(self, values: Mapping[str, Tensor]) -> None:
        for name, parameter in self.network.named_parameters():
            if name in values:
                parameter.copy_(values[name])
