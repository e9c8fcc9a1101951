"""Gate policies: what a challenger must show before it may go on."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator

from voxloop.config import StrictModel, resolved
from voxloop.store.digests import digest_json


class Claim(StrEnum):
    """Of whom a verdict speaks: that decides what the sample is, speakers or utterances."""

    NEW_SPEAKERS = "new speakers"
    THESE_SPEAKERS = "these speakers"


class Comparison(StrictModel):
    """How the challenger must stand against the champion, in UAR.

    `superiority`: better by more than `margin`. `non_inferiority`: not worse by as much as `margin`.
    """

    kind: Literal["superiority", "non_inferiority"]
    margin: float = Field(ge=0, lt=1)

    @model_validator(mode="after")
    def _leave_room(self) -> Comparison:
        if self.kind == "non_inferiority" and self.margin == 0:
            raise ValueError("non_inferiority needs a margin above 0: with none it is superiority")
        return self

    @property
    def bound(self) -> float:
        """What the difference challenger minus champion must lie above."""
        return self.margin if self.kind == "superiority" else -self.margin


class GatePolicy(StrictModel):
    """One file of `configs/gates`.

    Args:
        version: Counts the changes of this policy; a verdict records the digest of the whole.
        claim: Of whom the verdict speaks.
        minimum_speakers: Fewer test speakers than this: `CANNOT_TELL`.
        minimum_utterances: Fewer test utterances than this: `CANNOT_TELL`.
        minimum_per_label: Fewer test utterances of some label than this: `CANNOT_TELL`.
        floor_uar: What the challenger's UAR must lie above, champion or not; whole interval, not the estimate alone.
        comparison: How the challenger must stand against the champion.
        level: Confidence of the two-sided intervals; a bound is thus tested one-sided at half of the rest.
    """

    version: int = Field(ge=1)
    claim: Claim
    minimum_speakers: int = Field(default=8, ge=1)
    minimum_utterances: int = Field(ge=1)
    minimum_per_label: int = Field(ge=1)
    floor_uar: float = Field(ge=0, lt=1)
    comparison: Comparison
    level: float = Field(default=0.95, gt=0.5, lt=1)

    @model_validator(mode="after")
    def _need_a_sample_of_speakers(self) -> GatePolicy:
        if self.claim is Claim.NEW_SPEAKERS and self.minimum_speakers < 2:
            raise ValueError("a claim about new speakers needs minimum_speakers of 2 or more")
        return self

    def digest(self) -> str:
        """Return the SHA-256 of every number in force, defaults included."""
        return digest_json(resolved(self))
