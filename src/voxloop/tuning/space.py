"""A search space: which values of a configuration are tried, and how. Optuna is not needed to read one."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, model_validator

from voxloop.config import StrictModel
from voxloop.errors import ConfigError

Scalar = bool | int | float | str | None
"""What Optuna stores as a choice."""

DRAWS = 100
"""Combinations drawn before anything trains, to find those the configuration refuses."""


class FloatRange(StrictModel):
    """Real numbers from `low` to `high`, both included; on a logarithmic scale if asked."""

    kind: Literal["float"]
    path: str
    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"{self.path}: low ({self.low:g}) must be less than high ({self.high:g})")
        if self.log and self.low <= 0.0:
            raise ValueError(f"{self.path}: low ({self.low:g}) must be positive on a logarithmic scale")
        return self

    def ends(self) -> Sequence[Any]:
        """Return the values that a configuration would refuse first."""
        return (self.low, self.high)

    def draw(self, draws: random.Random) -> Any:
        """Return a value, uniform on the plain scale."""
        return draws.uniform(self.low, self.high)

    def value_of(self, stored: Scalar) -> Any:
        """Return the value that Optuna stored."""
        return stored


class IntRange(StrictModel):
    """Whole numbers `low`, `low + step`, … `high`."""

    kind: Literal["int"]
    path: str
    low: int
    high: int
    step: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"{self.path}: low ({self.low}) must be less than high ({self.high})")
        if (self.high - self.low) % self.step:
            raise ValueError(f"{self.path}: no number of steps of {self.step} leads from {self.low} to {self.high}")
        return self

    def ends(self) -> Sequence[Any]:
        """Return every value, or both ends and the one after the first where there are many."""
        every = range(self.low, self.high + 1, self.step)
        return every if len(every) <= DRAWS else (self.low, self.low + self.step, self.high)

    def draw(self, draws: random.Random) -> Any:
        """Return a value, all alike."""
        return draws.randrange(self.low, self.high + 1, self.step)

    def value_of(self, stored: Scalar) -> Any:
        """Return the value that Optuna stored."""
        return stored


class Choice(StrictModel):
    """One of a few values of any kind, without an order."""

    kind: Literal["choice"]
    path: str
    choices: tuple[Any, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _different(self) -> Self:
        for one, other in combinations(self.labels, 2):
            if one == other:
                raise ValueError(f"{self.path}: the choice {one!r} stands there twice")
        return self

    @property
    def labels(self) -> tuple[Scalar, ...]:
        """What Optuna stores for each choice: a scalar itself, a list or mapping as JSON."""
        return tuple(value if isinstance(value, Scalar) else json.dumps(value) for value in self.choices)

    def ends(self) -> Sequence[Any]:
        """Return every choice."""
        return self.choices

    def draw(self, draws: random.Random) -> Any:
        """Return a choice, all alike."""
        return draws.choice(self.choices)

    def value_of(self, stored: Scalar) -> Any:
        """Return the choice that Optuna stored a label of."""
        return self.choices[self.labels.index(stored)]


Parameter = Annotated[FloatRange | IntRange | Choice, Field(discriminator="kind")]


class MedianConfig(StrictModel):
    """Ends a trial that is, at its best, worse than the median of the earlier ones was at the same epoch."""

    kind: Literal["median"]
    startup_trials: int = Field(default=5, ge=0)
    """Trials that must have run to their end before any is ended early."""
    warmup_epochs: int = Field(default=1, ge=0)
    """Epochs of a trial in which it is left alone."""
    every_epochs: int = Field(default=1, ge=1)


class HyperbandConfig(StrictModel):
    """Successive halving in several brackets (L. Li et al., JMLR 18, 2018); its longest trial is `epochs` long."""

    kind: Literal["hyperband"]
    min_epochs: int = Field(default=1, ge=1)
    reduction: int = Field(default=3, ge=2)
    """One of so many trials goes on at each halving."""


class NoPruning(StrictModel):
    """Lets every trial run to its end."""

    kind: Literal["none"]


class SearchSpace(StrictModel):
    """A search: what is varied, how it is drawn, and how long."""

    seed: int = Field(default=7, ge=0)
    trials: int = Field(ge=1)
    """Of the study, however many workers share them."""
    budget_seconds: float | None = Field(default=None, gt=0.0)
    """Seconds of all trials together after which none is begun; None sets no such end."""
    startup_trials: int = Field(default=10, ge=1)
    """Drawn at random before TPE (J. Bergstra et al., NIPS 2011) proposes any."""
    pruner: Annotated[MedianConfig | HyperbandConfig | NoPruning, Field(discriminator="kind")]
    parameters: tuple[Parameter, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _apart(self) -> Self:
        for one, other in combinations([parameter.path for parameter in self.parameters], 2):
            if f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}."):
                raise ValueError(f"{one} and {other} change the same value")
        return self

    def overrides(self, stored: Mapping[str, Scalar]) -> tuple[str, ...]:
        """Return the parameters of a trial as `--set` takes them."""
        values = {one.path: one.value_of(stored[one.path]) for one in self.parameters}
        return tuple(write_override(path, value) for path, value in values.items())


def write_override(path: str, value: Any) -> str:
    """Return `a.b=c`, so that YAML reads back exactly this value."""
    listed = yaml.safe_dump([value], default_flow_style=True, width=math.inf)
    return f"{path}={listed[1:-2]}"


def check_space(space: SearchSpace, build: Callable[[tuple[str, ...]], object], *, origin: str) -> None:
    """Raise `ConfigError` when `build`, which makes a configuration of overrides, refuses what the space can draw.

    Each parameter's ends and choices are tried alone, then combinations drawn at random.
    """
    draws = random.Random(space.seed)  # noqa: S311 - a sample, not a secret
    alone = [(write_override(one.path, value),) for one in space.parameters for value in one.ends()]
    together = [tuple(write_override(one.path, one.draw(draws)) for one in space.parameters) for _ in range(DRAWS)]
    for overrides in (*alone, *together):
        try:
            build(overrides)
        except ConfigError as refused:
            raise ConfigError(
                f"{origin} can draw {' '.join(overrides)}, which the task refuses: {refused.problem}",
                rule=refused.rule,
                remedy=refused.remedy or "correct the search space",
            ) from None
