"""Which answers are listed for people to label."""

from __future__ import annotations

from pydantic import Field

from voxloop.config import StrictModel


class WorthPolicy(StrictModel):
    """What makes an answer worth a label; `configs/labelling/<task>.yaml` says why so.

    Args:
        most: Answers in a list.
        most_of_one_speaker: Share of `most` that may be of one speaker; one at least.
        uncertain_share: Share of each model's answers, the least confident, that are uncertain.
        novel_beyond: How far beyond the outermost bin of the reference a number lies that is novel, in its standard
            deviations.
        gained: By which factor values of a drifted column must have become more frequent.
    """

    most: int = Field(ge=1, le=10_000)
    most_of_one_speaker: float = Field(gt=0, le=1)
    uncertain_share: float = Field(gt=0, lt=1)
    novel_beyond: float = Field(gt=0)
    gained: float = Field(gt=1)
