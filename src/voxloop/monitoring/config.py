"""How predictions are logged; the section `predictions` of `configs/gateway.yaml`."""

from __future__ import annotations

from pydantic import Field

from voxloop.config import StrictModel


class PredictionLogConfig(StrictModel):
    """Bounds of the prediction log.

    Args:
        is_on: False writes nothing at all.
        queue_rows: Rows that may wait for the writer; one more is lost, and counted.
        sound_mebibytes: Sound that may wait to be measured; beyond it a row goes without its sound's measures.
        batch_rows: Rows after which a file is written.
        batch_seconds: Seconds after which one is written, however few rows there are: what a kill may cost.
        drain_seconds: What measuring may go on for when the gateway ends; the rows themselves are always written.
    """

    is_on: bool
    queue_rows: int = Field(ge=1)
    sound_mebibytes: int = Field(ge=1)
    batch_rows: int = Field(ge=1)
    batch_seconds: float = Field(gt=0)
    drain_seconds: float = Field(ge=0)
