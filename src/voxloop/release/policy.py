"""What a release is held to, beside the verdict of the gate: `configs/release.yaml`."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from voxloop.config import StrictModel, find_config, load_config
from voxloop.release.budgets import ProbeBudgets


class ReleasePolicy(StrictModel):
    """See configs/release.yaml for the reasons.

    Args:
        approval_days: How many days an approval stands.
        probe: What a model may take on the server before it takes over.
    """

    approval_days: int = Field(ge=1)
    probe: ProbeBudgets

    @property
    def lasts(self) -> timedelta:
        """How long an approval stands."""
        return timedelta(days=self.approval_days)


def load_release_policy(overrides: tuple[str, ...] = ()) -> ReleasePolicy:
    """Return the policy, with changes on top.

    Raises:
        ConfigError: It is missing, or a key or value is not acceptable.
    """
    return load_config(ReleasePolicy, find_config("release"), overrides)
