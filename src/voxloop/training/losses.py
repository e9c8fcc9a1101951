"""The losses of the last steps, read together: reading one waits for the device, and for the other ranks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.distributed.tensor import DTensor

from voxloop.training.batching import Indices
from voxloop.training.devices import sum_over_ranks

NAMED_UTTERANCES = 8
"""A step that went wrong names so many of its utterances."""


class Step(NamedTuple):
    """A step whose loss is known."""

    number: int
    """Of all steps of the training, from 1."""
    batches: tuple[Indices, ...]
    """Indices of its training examples, on all ranks."""
    loss_total: float
    """Sum of the weighted losses of its examples."""
    weight: float
    """Sum of their weights."""
    gradient_norm: float
    """Euclidean, before it was clipped."""

    @property
    def loss(self) -> float:
        """Weighted mean over its examples."""
        return self.loss_total / self.weight

    def utterances(self) -> list[int]:
        """Indices of its training examples, in order."""
        return [int(index) for index in np.concatenate(self.batches)]


class _Unread(NamedTuple):
    number: int
    batches: tuple[Indices, ...]
    weight: float
    total: Tensor
    norm: Tensor


class Settled(NamedTuple):
    """What was read, and what the ranks agreed on."""

    steps: tuple[Step, ...] = ()
    stop: bool = False
    save: bool = False

    @property
    def total(self) -> float:
        """Sum of the losses read."""
        return math.fsum(step.loss_total for step in self.steps)


class UnreadLosses:
    """The steps whose losses stay on the device for now.

    Args:
        fabric: Launched.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self._unread: list[_Unread] = []

    def __len__(self) -> int:
        return len(self._unread)

    def add(self, number: int, batches: tuple[Indices, ...], weight: float, total: Tensor, norm: Tensor) -> None:
        """Keep one step: `total` is the sum over this rank's examples, `norm` the whole gradient's; both scalars."""
        norm = norm.full_tensor() if isinstance(norm, DTensor) else norm
        self._unread.append(_Unread(number, batches, weight, total, norm))

    def read(self, *, stop: bool, save: bool) -> Settled:
        """Read them all and forget them; `stop` and `save` are true for all ranks when they are for one."""
        unread, self._unread = self._unread, []
        ranks = self.fabric.world_size
        if len(unread) == 1 and ranks == 1:
            totals, norms, flags = [float(unread[0].total)], [float(unread[0].norm)], [float(stop), float(save)]
        else:
            mine = _join([one.total for one in unread], [one.norm / ranks for one in unread], stop, save)
            summed = sum_over_ranks(self.fabric, mine)
            totals, norms, flags = summed[: len(unread)], summed[len(unread) : -2], summed[-2:]
        steps = tuple(
            Step(one.number, one.batches, total, one.weight, norm)
            for one, total, norm in zip(unread, totals, norms, strict=True)
        )
        return Settled(steps, stop=flags[0] > 0, save=flags[1] > 0)


def describe_nonfinite(steps: Sequence[Step], ids: Sequence[str], *, scaled: bool) -> str | None:
    """Name the first step whose loss or gradient is no number; a gradient that is `scaled` (fp16) may overflow.

    Args:
        steps: Steps whose losses are known.
        ids: Utterance ids of the training examples.
        scaled: Whether losses are scaled before their gradients are taken.
    """
    for step in steps:
        if not math.isfinite(step.loss_total):
            return f"the loss is {step.loss} in {_describe(step, ids)}"
        if not (scaled or math.isfinite(step.gradient_norm)):
            return f"the gradient's norm is {step.gradient_norm} in {_describe(step, ids)}"
    return None


def _describe(step: Step, ids: Sequence[str]) -> str:
    utterances = step.utterances()
    named = ", ".join(ids[index] for index in sorted(utterances)[:NAMED_UTTERANCES])
    more = f" and {len(utterances) - NAMED_UTTERANCES} more" if len(utterances) > NAMED_UTTERANCES else ""
    return f"step {step.number} (train utterances {named}{more})"


def _join(totals: list[Tensor], norms: list[Tensor], stop: bool, save: bool) -> Tensor:
    flags = torch.tensor([float(stop), float(save)], dtype=torch.float64, device=totals[0].device)
    return torch.cat([torch.stack(totals).double(), torch.stack(norms).double(), flags])
