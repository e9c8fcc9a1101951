"""What a simulation is told: `configs/simulation/<task>.yaml`. The half that the platform's side may read."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from voxloop.config import StrictModel
from voxloop.errors import InputError

WINDOWS_A_DAY = 4
"""Of six hours."""
LEAST_DAYS, MOST_DAYS = 4, 35
SPAN_DAYS = 6
"""Of a drift and what goes before and after it, where there are days enough."""
MOST_BATCHES = 1 + MOST_DAYS // SPAN_DAYS
"""Of labelled speech: one at the beginning, one a drift."""


def require_days(days: int) -> None:
    """Check that there are days enough for a drift, and sentences enough for the labelled speech of all of them.

    Raises:
        InputError: There are not.
    """
    if not LEAST_DAYS <= days <= MOST_DAYS:
        rule = f"a drift and what comes of it take {LEAST_DAYS}; for more than {MOST_DAYS} the world has no sentences"
        raise InputError(f"{days} days", rule=rule, remedy="give another number")


class PlatformConfig(StrictModel):
    """How the simulated platform differs from the shipped one: whole files stay, single values change.

    Args:
        arguments: Changes to `configs/pipelines/training/local.yaml`; the corpus itself is put in.
        drift: Changes to `configs/drift/<task>.yaml`, `a.b=c`.
        gate: Changes to `configs/gates/<task>.yaml`, `a.b=c`.
        leakage: Changes to `configs/leakage/<task>.yaml`, `a.b=c`.
        gateway: Changes to `configs/gateway.yaml`, `a.b=c`.
        because: The approver's reason for the first champion.
        reference_windows: Windows that a new reference is made of.
        settle_seconds: Real ones, until the prediction log has written what was asked.
    """

    arguments: dict[str, Any]
    drift: tuple[str, ...]
    gate: tuple[str, ...]
    leakage: tuple[str, ...]
    gateway: tuple[str, ...]
    because: str
    reference_windows: int = Field(ge=1)
    settle_seconds: float = Field(ge=0)


class Talk(StrictModel):
    """Who talks in a window.

    Args:
        speakers: Each is heard in one window alone.
        utterances: Of each.
        pause_seconds: Real ones between two requests: prosody is measured while nobody else wants the processor.
    """

    speakers: int = Field(ge=1)
    utterances: int = Field(ge=1)
    pause_seconds: float = Field(ge=0)


class Labelled(StrictModel):
    """Labelled speech that arrives, once at the beginning and once for each drift: speakers, and utterances of each."""

    speakers: int = Field(ge=1, le=80)
    utterances: int = Field(ge=1, le=30)


class PromiseConfig(StrictModel):
    """What is asked of the platform.

    Args:
        won_back: Share of the lost quality, on the drift's evaluation set.
        stays_down: Share of the lost quality that the unattended model may at most win back by itself.
    """

    won_back: float = Field(ge=0, le=1)
    stays_down: float = Field(ge=0, le=1)


class SimulationConfig(StrictModel):
    """The simulation of one family, `configs/simulation/<task>.yaml`.

    Args:
        corpus: The speaker world that is talked in, `configs/corpora/<corpus>.yaml`.
        platform: How the platform under test differs from the shipped one.
        talk: Who talks in a window.
        labelled: Labelled speech that arrives.
        promises: What is asked of the platform.
        drifts: Of each kind, changes to the world with one number `{strength}`, and between what it is drawn.
        strengths: From and to, for each kind.
    """

    corpus: str
    platform: PlatformConfig
    talk: Talk
    labelled: Labelled
    promises: PromiseConfig
    drifts: dict[str, tuple[str, ...]] = Field(min_length=1)
    strengths: dict[str, tuple[float, float]]
