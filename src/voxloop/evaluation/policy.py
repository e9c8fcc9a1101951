"""Gate policies: what a challenger must show before it may go on."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator

from voxloop.config import StrictModel, resolved
from voxloop.evaluation.policy_sections import BehaviourRule, FairnessRule, GoldenRule, RobustnessRule, SliceRule
from voxloop.store.digests import digest_json


class Claim(StrEnum):
    """Of whom a verdict speaks: that decides what the sample is, speakers or utterances."""

    NEW_SPEAKERS = "new speakers"
    THESE_SPEAKERS = "these speakers"


class Comparison(StrictModel):
    """How the challenger must stand against the champion, in the unit of the measure.

    `superiority`: better by more than `margin`. `non_inferiority`: not worse by as much as `margin`.
    """

    kind: Literal["superiority", "non_inferiority"]
    margin: float = Field(ge=0)

    @model_validator(mode="after")
    def _leave_room(self) -> Comparison:
        if self.kind == "non_inferiority" and self.margin == 0:
            raise ValueError("non_inferiority needs a margin above 0: with none it is superiority")
        return self

    @property
    def bound(self) -> float:
        """What the challenger's lead over the champion must lie above."""
        return self.margin if self.kind == "superiority" else -self.margin


class SetRule(StrictModel):
    """What is different on one evaluation set; what is left out is as everywhere."""

    limit: float | None = None
    comparison: Comparison | None = None


class MeasureRule(StrictModel):
    """What is asked of one measure.

    Args:
        limit: What the challenger's value must lie on the good side of, its whole interval: above it for UAR or CCC,
            below it for WER. Champion or not.
        comparison: How the challenger must stand against the champion on every evaluation set.
        on_reason: The same on the set that gave the reason for this retraining, if one is named.
        sets: What is different on a set, by its name.
    """

    limit: float | None = None
    comparison: Comparison | None = None
    on_reason: Comparison | None = Comparison(kind="superiority", margin=0.0)
    sets: Mapping[str, SetRule] = {}

    @model_validator(mode="after")
    def _ask_for_something(self) -> MeasureRule:
        if self.limit is None and self.comparison is None:
            raise ValueError("a measure has a limit, a comparison or both")
        return self

    def limit_on(self, evaluation_set: str) -> float | None:
        """Return the limit on a set."""
        special = self.sets.get(evaluation_set)
        return self.limit if special is None or special.limit is None else special.limit

    def comparison_on(self, evaluation_set: str, reason_set: str | None) -> Comparison | None:
        """Return the comparison on a set; that of the set which gave the reason comes first."""
        if self.comparison is None:
            return None
        if evaluation_set == reason_set and self.on_reason is not None:
            return self.on_reason
        special = self.sets.get(evaluation_set)
        return self.comparison if special is None or special.comparison is None else special.comparison


class GatePolicy(StrictModel):
    """One file of `configs/gates`.

    Args:
        version: Counts the changes of this policy; a verdict records the digest of the whole.
        claim: Of whom the verdict speaks.
        minimum_speakers: Fewer speakers in an evaluation set than this: `CANNOT_TELL`.
        minimum_utterances: Fewer utterances than this: `CANNOT_TELL`.
        minimum_per_label: Fewer utterances of some label than this: `CANNOT_TELL`; for families that answer labels.
        measures: What is asked of each measure, by its name; the first is the one a person is shown.
        slices: What is asked of parts of a set; None asks nothing.
        fairness: What is asked of groups of speakers beside each other; None asks nothing.
        robustness: What is asked under changed conditions; None asks nothing.
        behaviour: Which tests of behaviour must hold; None asks nothing.
        golden: What is asked of golden requests; None asks nothing.
        level: Confidence of the two-sided intervals; a bound is thus tested one-sided at half of the rest.
    """

    version: int = Field(ge=1)
    claim: Claim
    minimum_speakers: int = Field(default=8, ge=1)
    minimum_utterances: int = Field(ge=1)
    minimum_per_label: int = Field(default=1, ge=1)
    measures: Mapping[str, MeasureRule] = Field(min_length=1)
    slices: SliceRule | None = None
    fairness: FairnessRule | None = None
    robustness: RobustnessRule | None = None
    behaviour: BehaviourRule | None = None
    golden: GoldenRule | None = None
    level: float = Field(default=0.95, gt=0.5, lt=1)

    @model_validator(mode="after")
    def _need_a_sample_of_speakers(self) -> GatePolicy:
        if self.claim is Claim.NEW_SPEAKERS and self.minimum_speakers < 2:
            raise ValueError("a claim about new speakers needs minimum_speakers of 2 or more")
        return self

    @model_validator(mode="after")
    def _hold_the_challenger_against_something(self) -> GatePolicy:
        rules = self.measures.values()
        if all(rule.limit is None for rule in rules) or all(rule.comparison is None for rule in rules):
            raise ValueError("a policy has a measure with a limit and a measure with a comparison")
        return self

    @property
    def primary(self) -> str:
        """The measure a person is shown first."""
        return next(iter(self.measures))

    @property
    def alpha(self) -> float:
        """The one-sided chance of error of each bound."""
        return (1 - self.level) / 2

    def digest(self) -> str:
        """Return the SHA-256 of every number in force, defaults included."""
        return digest_json(resolved(self))
