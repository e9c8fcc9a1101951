"""What is to be done about drift: retrain, wait, label more, or alert a person. Facts in, a word with its reasons out.

What is not known never speaks for a retraining: without it the word is `ALERT`. More drift, more labelled hours or a
greater gain never speak against one. The loss measured in production is told by labels that wait in quarantine: it
calls a person, and neither asks for a retraining nor turns one down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from pydantic import Field

from voxloop.config import StrictModel

POINTS = 100
"""Points of a measure: its hundredths."""
LEAST_AMOUNTS = 3
"""Of data that past runs learned from, for a learning curve: it has three numbers of its own."""


class Word(StrEnum):
    """What is to be done."""

    RETRAIN = "RETRAIN"
    WAIT = "WAIT"
    """Drift asks for nothing, nor does a loss."""
    LABEL_MORE = "LABEL_MORE"
    """It asks for a retraining, and there is too little to learn from, or too little for its price."""
    ALERT = "ALERT"
    """A person is to look: something is not known, or no labels are expected to help."""


class DecisionPolicy(StrictModel):
    """When drift is answered by a retraining; section `decision` of `configs/drift/<task>.yaml` says why so.

    Args:
        arguments: What a retraining takes, `configs/pipelines/training/<arguments>.yaml`.
        smallest_labelled_hours: Of labelled speech that the last retraining has not learned from; 0 asks for none.
        price_per_gpu_hour: In whatever money `most_cost_per_point` is.
        most_cost_per_point: For each hundredth of the measure that the learning curve lets expect.
        alarming_loss: Of the measure, in production, for sure: where nothing is trained, a person is told at once.
    """

    arguments: str = Field(min_length=1)
    smallest_labelled_hours: float = Field(ge=0, allow_inf_nan=False)
    price_per_gpu_hour: float = Field(ge=0, allow_inf_nan=False)
    most_cost_per_point: float = Field(ge=0, allow_inf_nan=False)
    alarming_loss: float = Field(gt=0, allow_inf_nan=False)


@dataclass(frozen=True)
class Facts:
    """What is known; None for what is not.

    Args:
        is_told: Whether the watch asks for a retraining.
        told: Why, or why not.
        drift_size: The greatest distance beyond its threshold in the windows that were looked at, in thresholds.
        measured_loss: By how much production is worse at least than what the model was judged by, in the measure: the
            lower end of its interval.
        about_loss: What labels tell of it, or why it is not known; empty where there are none.
        are_labels_suspicious: Whether a person should look at labels that wait in quarantine.
        new_hours: Of labelled speech that the last retraining has not learned from.
        amounts: Different amounts of data that past runs learned from.
        expected_gain: Of the measure, by the learning curve of past runs.
        gpu_hours: What a retraining takes, by past runs.
    """

    is_told: bool
    told: tuple[str, ...]
    drift_size: float | None = None
    measured_loss: float | None = None
    about_loss: str = ""
    are_labels_suspicious: bool = False
    new_hours: float | None = None
    amounts: int = 0
    expected_gain: float | None = None
    gpu_hours: float | None = None

    def known(self) -> Facts:
        """Return the facts with None for every number that is none."""
        names = ("drift_size", "measured_loss", "new_hours", "expected_gain", "gpu_hours")
        said = {name: value for name in names if (value := getattr(self, name)) is not None}
        no_numbers: dict[str, Any] = {name: None for name, value in said.items() if not math.isfinite(value)}
        return replace(self, **no_numbers)


@dataclass(frozen=True)
class Choice:
    """What is to be done, and every reason."""

    word: Word
    reasons: tuple[str, ...]


def choose(policy: DecisionPolicy, facts: Facts) -> Choice:
    """Say what is to be done.

    Args:
        policy: By which.
        facts: As far as they are known.
    """
    facts = facts.known()
    if not facts.is_told:
        word = Word.ALERT if _is_alarming(policy, facts) else Word.WAIT
        is_labelled = facts.about_loss or facts.measured_loss is not None
        return Choice(word, (*facts.told, *([_tell_loss(policy, facts)] if is_labelled else [])))
    judged = [_judge_drift(facts), _judge_hours(policy, facts), _judge_gain(policy, facts)]
    objections = [word for word, _ in judged if word is not Word.RETRAIN]
    word = Word.ALERT if Word.ALERT in objections else next(iter(objections), Word.RETRAIN)
    # More labels are no help while those that come are not to be trusted.
    if word is Word.LABEL_MORE and (_is_alarming(policy, facts) or facts.are_labels_suspicious):
        word = Word.ALERT
    return Choice(word, (*facts.told, *(reason for _, reason in judged), _tell_loss(policy, facts)))


def _is_alarming(policy: DecisionPolicy, facts: Facts) -> bool:
    return facts.measured_loss is not None and facts.measured_loss >= policy.alarming_loss


def _tell_loss(policy: DecisionPolicy, facts: Facts) -> str:
    loss, why = facts.measured_loss, f": {facts.about_loss}" if facts.about_loss else ""
    if loss is None:
        return f"the loss measured in production is not known{why}"
    return f"the loss measured in production is {loss:.3g} at least, alarming from {policy.alarming_loss:g}{why}"


def _judge_drift(facts: Facts) -> tuple[Word, str]:
    if facts.drift_size is None:
        return Word.ALERT, "how far it has drifted is not known"
    return Word.RETRAIN, f"the greatest distance is {facts.drift_size:.3g} times its threshold"


def _judge_hours(policy: DecisionPolicy, facts: Facts) -> tuple[Word, str]:
    least, hours = policy.smallest_labelled_hours, facts.new_hours
    if hours is None:
        said = "how many new labelled hours there are is not known"
        return (Word.ALERT if least > 0 else Word.RETRAIN), said
    return (
        Word.RETRAIN if hours >= least else Word.LABEL_MORE
    ), f"{hours:.3g} new labelled hours, of {least:g} at least"


def _judge_gain(policy: DecisionPolicy, facts: Facts) -> tuple[Word, str]:
    """Without runs enough for a curve nothing is expected, and nothing is held against the price."""
    if facts.amounts < LEAST_AMOUNTS:
        said = f"past runs learned from {facts.amounts} amounts of data, of {LEAST_AMOUNTS} at least"
        return Word.RETRAIN, f"no gain is expected or denied: {said}"
    gain, hours = facts.expected_gain, facts.gpu_hours
    if gain is None or hours is None:
        missing = "the gain to expect" if gain is None else "what a retraining takes"
        return (
            Word.ALERT,
            f"{missing} is not known, though there are {facts.amounts} amounts of data past runs learned from",
        )
    if gain <= 0:
        return Word.ALERT, "the learning curve is flat: more of such data is not expected to help"
    cost = hours * policy.price_per_gpu_hour
    price = cost / (gain * POINTS)
    said = (
        f"{gain * POINTS:.2g} points are expected for {hours:.2g} GPU-hours, which cost {cost:.3g}: "
        f"{price:.3g} a point, of {policy.most_cost_per_point:g} at most"
    )
    return (Word.RETRAIN if price <= policy.most_cost_per_point else Word.LABEL_MORE), said
