"""What the gateway takes and how much of it; `configs/gateway.yaml`."""

from __future__ import annotations

from pydantic import Field

from voxloop.config import StrictModel, find_config, load_config
from voxloop.monitoring.config import PredictionLogConfig
from voxloop.speech.limits import AudioLimits


class ProfilesConfig(StrictModel):
    """Speakers' profiles, which `/v1/analyze` moves on.

    Args:
        seconds: That an answer waits for its speaker's features.
        waiting: Utterances that may wait for the store.
        utterances: Of one speaker, the newest, that the running features are about.
    """

    seconds: float = Field(gt=0)
    waiting: int = Field(ge=1)
    utterances: int = Field(ge=1)


class TracesConfig(StrictModel):
    """Where spans go (OpenTelemetry).

    Args:
        endpoint: Of a collector that takes OTLP over HTTP; empty for none.
        share: Of requests that are traced.
    """

    endpoint: str = Field(pattern=r"^(https?://.+)?$")
    share: float = Field(ge=0, le=1)


class GatewayConfig(StrictModel):
    """Limits of requests, in bytes, characters, seconds and requests."""

    max_bytes: int = Field(gt=0)
    max_text: int = Field(gt=0)
    body_seconds: float = Field(gt=0)
    requests_per_second: float = Field(gt=0)
    burst: int = Field(ge=1)
    in_flight: int = Field(ge=1)
    workers: int = Field(ge=1)
    waiting: int = Field(ge=1)
    ledger_seconds: float = Field(gt=0)
    triton_seconds: float = Field(gt=0)
    retry_after_seconds: int = Field(ge=1)
    shadows: int = Field(ge=0)
    audio: AudioLimits
    profiles: ProfilesConfig
    predictions: PredictionLogConfig
    traces: TracesConfig


def load_gateway_config(overrides: tuple[str, ...] = ()) -> GatewayConfig:
    """Return the configuration, with changes on top."""
    return load_config(GatewayConfig, find_config("gateway"), overrides)
