"""A search space in Optuna's terms."""

from __future__ import annotations

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import TPESampler

from voxloop.tuning.space import FloatRange, HyperbandConfig, IntRange, MedianConfig, Parameter, SearchSpace


def make_distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """Return what each parameter is drawn from, by its path."""
    return {parameter.path: _distribution(parameter) for parameter in space.parameters}


def make_sampler(space: SearchSpace, number: int) -> TPESampler:
    """Return the sampler of one trial.

    Each trial has a seed of its own: workers that shared one would all draw the same, and so would a worker that was
    started again.
    """
    seed = int(np.random.SeedSequence((space.seed, number)).generate_state(1)[0])
    return TPESampler(seed=seed, n_startup_trials=space.startup_trials, constant_liar=True)


def make_pruner(space: SearchSpace, epochs: int) -> BasePruner:
    """Return what ends trials early; a step of Optuna's is the number of epochs done, `epochs` at most."""
    config = space.pruner
    if isinstance(config, MedianConfig):
        return MedianPruner(
            n_startup_trials=config.startup_trials,
            n_warmup_steps=config.warmup_epochs + 1,
            interval_steps=config.every_epochs,
        )
    if isinstance(config, HyperbandConfig):
        return HyperbandPruner(min_resource=config.min_epochs, max_resource=epochs, reduction_factor=config.reduction)
    return NopPruner()


def _distribution(parameter: Parameter) -> BaseDistribution:
    if isinstance(parameter, FloatRange):
        return FloatDistribution(parameter.low, parameter.high, log=parameter.log)
    if isinstance(parameter, IntRange):
        return IntDistribution(parameter.low, parameter.high, step=parameter.step)
    return CategoricalDistribution(parameter.labels)
