"""How often people are told: `configs/notices.yaml`."""

from __future__ import annotations

from pydantic import Field, field_validator

from voxloop.config import StrictModel, find_config, load_config
from voxloop.notices.notice import Audience


class NoticesConfig(StrictModel):
    """See configs/notices.yaml for the reasons.

    Args:
        quiet_hours: For each audience, how many hours nothing more is told about the same.
        most_an_hour: Notices to one destination within an hour; what is beyond is counted and told of later.
        seconds: How long a destination may take.
    """

    quiet_hours: dict[Audience, float]
    most_an_hour: int = Field(ge=1)
    seconds: float = Field(gt=0, le=60)

    @field_validator("quiet_hours")
    @classmethod
    def _every_audience(cls, hours: dict[Audience, float]) -> dict[Audience, float]:
        if missing := sorted(set(Audience) - set(hours)):
            raise ValueError(f"no hours for {', '.join(missing)}: every audience has some")
        return hours

    def quiet_seconds(self, audience: Audience) -> float:
        """Return for how many seconds nothing more is told about the same."""
        return self.quiet_hours[audience] * 3600


def load_notices_config(overrides: tuple[str, ...] = ()) -> NoticesConfig:
    """Return the configuration, with changes on top.

    Raises:
        ConfigError: It is missing, or a key or value is not acceptable.
    """
    return load_config(NoticesConfig, find_config("notices"), overrides)
