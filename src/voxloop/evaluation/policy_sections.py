"""The sections of a gate policy beside its measures: slices, groups, changed conditions, behaviour, golden requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from voxloop.config import StrictModel

SliceColumn = Literal["gender", "age_band", "language", "source", "duration", "snr", "device"]


class SliceRule(StrictModel):
    """How the challenger must stand against the champion in each part of an evaluation set.

    Args:
        by: What the set is cut by. Every value of it is a slice, not known is one too.
        measure: What is compared.
        margin: In each slice the challenger must not be worse by as much as this.
        minimum_speakers: A slice of fewer cannot tell.
        minimum_utterances: A slice of fewer cannot tell.
    """

    by: tuple[SliceColumn, ...] = Field(min_length=1)
    measure: str
    margin: float = Field(gt=0)
    minimum_speakers: int = Field(default=4, ge=2)
    minimum_utterances: int = Field(default=48, ge=2)


class Gap(StrictModel):
    """How far two groups may be apart, in the unit of what is measured; one of both or both.

    Args:
        limit: Of the challenger, whoever the champion is: the whole interval of the gap lies within it.
        margin: The challenger's gap is not larger than the champion's by as much as this.
        or_all_raised: A larger one will do where whoever the challenger serves worst is served better than the champion
            served anybody; the limit, if there is one, holds all the same.
    """

    limit: float | None = Field(default=None, gt=0)
    margin: float | None = Field(default=None, gt=0)
    or_all_raised: bool = False

    @model_validator(mode="after")
    def _ask_for_something(self) -> Self:
        if self.limit is None and self.margin is None:
            raise ValueError("a gap has a limit, a margin or both")
        if self.or_all_raised and self.margin is None:
            raise ValueError("or_all_raised is another way to a margin, and there is none")
        return self


class FairnessRule(StrictModel):
    """How groups of speakers must stand beside each other; every two values of a column are a pair of groups.

    Args:
        by: The columns that make groups. What is not known is a group too.
        measure: What `gap` is measured in.
        gap: The worst-group gap: between any two groups in `measure`; None asks nothing.
        recall_gap: Equal opportunity: between any two groups in the recall of each label (M. Hardt, E. Price,
            N. Srebro, "Equality of opportunity in supervised learning", NeurIPS 2016); None asks nothing.
        minimum_speakers: A group of fewer cannot tell.
        minimum_utterances: A group of fewer cannot tell.
        minimum_per_label: A group in which a label is said less often cannot tell of its recall.
    """

    by: tuple[SliceColumn, ...] = Field(min_length=1)
    measure: str
    gap: Gap | None = None
    recall_gap: Gap | None = None
    minimum_speakers: int = Field(default=4, ge=2)
    minimum_utterances: int = Field(default=48, ge=2)
    minimum_per_label: int = Field(default=8, ge=2)

    @model_validator(mode="after")
    def _ask_for_something(self) -> Self:
        if self.gap is None and self.recall_gap is None:
            raise ValueError("fairness has a gap, a recall_gap or both")
        return self


class ConditionRule(StrictModel):
    """What is asked under one condition.

    Args:
        margin: Instead of that of all conditions.
        most_loss: What the challenger may lose to itself on the same rows as they are, in the unit of the measure; None
            asks nothing.
    """

    margin: float | None = Field(default=None, gt=0)
    most_loss: float | None = Field(default=None, gt=0)


class RobustnessRule(StrictModel):
    """How the challenger must stand under changed conditions.

    Args:
        measure: What is compared.
        margin: Under each condition the challenger must not be worse than the champion by as much as this.
        minimum_speakers: With fewer in the rows that were asked again it cannot tell.
        minimum_utterances: With fewer of them it cannot tell.
        conditions: By their names in the evaluation; others are measured and shown, never gated.
    """

    measure: str
    margin: float = Field(gt=0)
    minimum_speakers: int = Field(default=8, ge=2)
    minimum_utterances: int = Field(default=96, ge=2)
    conditions: Mapping[str, ConditionRule] = Field(min_length=1)


class BehaviourRule(StrictModel):
    """Of which share of the rows a test of behaviour must hold.

    Args:
        shares: By the test's name in the evaluation; others are measured and shown, never gated.
        minimum_rows: A test of fewer rows cannot tell; tests of made-up requests have as many as there are.
    """

    shares: Mapping[str, float] = Field(min_length=1)
    minimum_rows: int = Field(default=96, ge=1)

    @model_validator(mode="after")
    def _shares_are_shares(self) -> Self:
        if odd := [name for name, share in self.shares.items() if not 0.0 < share <= 1.0]:
            raise ValueError(f"the share of {odd[0]!r} is not above 0 and at most 1")
        return self


class Growth(StrictModel):
    """How large something may be; one of both or both.

    Args:
        ratio: At most so many times as large as the champion's.
        limit_mib: At most so many MiB.
    """

    ratio: float | None = Field(default=None, ge=1)
    limit_mib: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _ask_for_something(self) -> Self:
        if self.ratio is None and self.limit_mib is None:
            raise ValueError("growth has a ratio, a limit_mib or both")
        return self


class GoldenRule(StrictModel):
    """What is asked of golden requests, those that every model of a family is asked.

    Args:
        slowdown: The challenger takes at most this many times as long as the champion; None asks nothing.
        size: How large the files that serve may be; None asks nothing.
        memory: How much memory it may take to answer them; None asks nothing.
        words_on_silence: Words a minute it may write of sounds in which nobody speaks; None asks nothing.
    """

    slowdown: float | None = Field(default=None, gt=1)
    size: Growth | None = None
    memory: Growth | None = None
    words_on_silence: float | None = Field(default=None, ge=0)
