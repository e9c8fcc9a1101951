"""The running mean of the weights, which is scored and kept in their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor


class WeightAverage:
    """Exponential moving average of a network's parameters and statistics; with decay None there is none.

    Running statistics of activations are averaged like the weights they were taken under (the mean weights under the
    newest statistics scored worse than either, docs/LOG.md).

    B. Polyak, A. Juditsky, "Acceleration of stochastic approximation by averaging", 1992; the decay rises with the
    steps as min(decay, (1 + step) / (10 + step)), so that the first weights are soon forgotten (TensorFlow's
    ExponentialMovingAverage with num_updates).
    """

    def __init__(self, network: nn.Module, decay: float | None) -> None:
        self.decay = decay
        saved = {} if decay is None else network.state_dict(keep_vars=True)
        # The network's own memory: parameters, and those buffers with fractions that are saved.
        self._live = {name: value.detach() for name, value in saved.items() if value.is_floating_point()}
        self.mean = {name: value.clone() for name, value in self._live.items()}
        # Under FSDP2 weights are sharded and buffers are not; torch takes no list of both.
        sharded = [name for name, value in self.mean.items() if isinstance(value, DTensor)]
        self._names = [names for names in (sharded, [name for name in self.mean if name not in sharded]) if names]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the mean towards the weights after step number `step`, counted from 1."""
        if self.decay is None:
            return
        decay = min(self.decay, (1 + step) / (10 + step))
        for names in self._names:
            means, live = ([values[name] for name in names] for values in (self.mean, self._live))
            torch._foreach_lerp_(means, live, 1.0 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the mean in the place of the weights for a while."""
        weights = {name: value.clone() for name, value in self._live.items()}
        self._copy(self.mean)
        try:
            yield
        finally:
            self._copy(weights)

    @torch.no_grad()
    def _copy(self, values: Mapping[str, Tensor]) -> None:
        for name, value in values.items():
            self._live[name].copy_(value)
