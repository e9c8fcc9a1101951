"""The learning rate over a training."""

from __future__ import annotations

import math

from voxloop.tasks.recipe import OptimiserConfig


def rate_share(step: int, steps: int, config: OptimiserConfig) -> float:
    """Share of the learning rate at one step: up in a line, then down along a cosine to 0.

    I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, without the restarts.
    """
    warmup = max(1, round(steps * config.warmup_share))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))
