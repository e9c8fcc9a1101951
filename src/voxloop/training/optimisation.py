"""The optimiser of a training: whose weights move, how fast and how much they decay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from voxloop.tasks import Task
from voxloop.tasks.recipe import OptimiserConfig, Recipe
from voxloop.training.schedule import rate_share


def freeze(network: nn.Module, task: Task, recipe: Recipe) -> None:
    """Take no gradient for parameters whose rate is 0: before a strategy wraps the network, or it waits for them."""
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(task.rate_scale(name, recipe) > 0)


def build_optimiser(network: nn.Module, task: Task, recipe: Recipe, *, scaled: bool = False) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter, ICLR 2019); vectors (biases, scales of norms) do not decay.

    Args:
        network: Where it will be trained.
        task: Whose rates differ from layer to layer.
        recipe: Rates.
        scaled: Whether losses are scaled: a fused optimiser would unscale gradients by itself, and then Fabric refuses
            to clip them.
    """
    config = recipe.optimiser
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((task.rate_scale(name, recipe), parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "weight_decay": config.weight_decay if decays else 0.0, "scale": scale}
            for (scale, decays), parameters in groups.items()
        ],
        lr=config.learning_rate,
        fused=not scaled and _move_by_one_kernel(groups.values()),
    )


def _move_by_one_kernel(groups: Iterable[Sequence[nn.Parameter]]) -> bool:
    """Return whether one kernel should move a weight: on the CPU, where its ten small ones were an eighth of a step.

    On a GPU torch moves all weights by a few kernels as it is.
    """
    return all(one.device.type == "cpu" and not isinstance(one, DTensor) for group in groups for one in group)


def set_rate(optimiser: torch.optim.Optimizer, step: int, steps: int, config: OptimiserConfig) -> None:
    """Give every group the learning rate of one step of `steps`."""
    rate = config.learning_rate * rate_share(step, steps, config)
    for group in optimiser.param_groups:
        group["lr"] = rate * group["scale"]
