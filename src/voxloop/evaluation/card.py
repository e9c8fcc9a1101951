"""The model card's content: everything its page shows, as numbers and words that JSON keeps.

Intervals are those of `Part`, which the gate decides by; nothing is computed another way here.
"""

from __future__ import annotations

from typing import Any, Literal

from voxloop.config import StrictModel
from voxloop.evaluation.judgement import IntervalRecord, PolicyRecord, Reason
from voxloop.evaluation.policy import Claim
from voxloop.evaluation.report import Champion, Counts
from voxloop.verdict import Verdict


class Lead(StrictModel):
    """The challenger's lead in one measure; `kind` and `bound` are what the policy asks of it, None where nothing."""

    measure: str
    interval: IntervalRecord
    kind: str | None
    bound: float | None


class Measured(StrictModel):
    """One measure of each model; the champion's is None where there is none."""

    measure: str
    larger_is_better: bool
    challenger: IntervalRecord
    champion: IntervalRecord | None
    limit: float | None


class SliceFigures(StrictModel):
    """One part of a set; a thin one has no intervals, and `thin` says what it lacks."""

    name: str
    utterances: int
    speakers: int
    thin: str
    bound: float | None
    """What the policy asks of the lead in it; None where nothing."""
    challenger: IntervalRecord | None
    champion: IntervalRecord | None
    lead: IntervalRecord | None


class SpeakerFigures(StrictModel):
    """One speaker alone: shown, never gated. None where nothing can be measured."""

    speaker_id: str
    utterances: int
    challenger: float | None
    champion: float | None
    lead: float | None


class BySpeaker(StrictModel):
    """Every speaker, in one measure, the worst for the challenger first."""

    measure: str
    larger_is_better: bool
    speakers: tuple[SpeakerFigures, ...]


class Resampled(StrictModel):
    """How often a lead fell into each of equally wide bins when speakers were drawn again."""

    measure: str
    resamples: int
    counts: tuple[int, ...]
    low: float
    high: float


class Confusion(StrictModel):
    """How often each reference (row) was answered by each label (column)."""

    labels: tuple[str, ...]
    challenger: tuple[tuple[int, ...], ...]
    champion: tuple[tuple[int, ...], ...] | None


class ReliabilityBin(StrictModel):
    """Answers of one range of confidence: how many, how sure on average, and which share of them is right."""

    count: int
    confidence: float
    right: float


class Reliability(StrictModel):
    """Bins that hold an answer, by confidence, of each model."""

    challenger: tuple[ReliabilityBin, ...]
    champion: tuple[ReliabilityBin, ...]


class TraitPoint(StrictModel):
    """A speaker's mean reference and mean answers in one trait."""

    trait: str
    speaker_id: str
    reference: float
    challenger: float
    champion: float | None


class WorstUtterance(StrictModel):
    """An utterance the challenger was badly wrong about; `problem` says how badly."""

    utterance_id: str
    speaker_id: str
    duration_s: float | None
    reference: str
    challenger: str
    champion: str | None
    problem: str
    has_sound: bool = False


class Importance(StrictModel):
    """By how much a measure drops when one input is shuffled between utterances; mean and spread of the shufflings."""

    name: str
    drop: float
    sd: float


class Importances(StrictModel):
    """The inputs of a model, those that matter most first; `rows` of `all_rows` were asked, None if nobody counted."""

    measure: str
    repeats: int
    inputs: tuple[Importance, ...]
    rows: int | None = None
    all_rows: int | None = None


class GapFigures(StrictModel):
    """How far two groups are apart: the first less the second; `thin` says what one lacks."""

    name: str
    measure: str
    thin: str
    challenger: IntervalRecord | None
    champion: IntervalRecord | None
    growth: float | None
    """By how much the challenger's gap is larger than the champion's, whichever group is ahead."""
    limit: float | None
    margin: float | None
    raised: IntervalRecord | None
    """By how much the worst served are ahead of the best served before, where the policy takes that too."""


class ConditionShown(StrictModel):
    """Both models under one condition; `bound` and `most_loss` are what the policy asks, None where nothing."""

    name: str
    condition: str
    challenger: IntervalRecord | None
    champion: IntervalRecord | None
    lead: IntervalRecord | None
    bound: float | None
    loss: IntervalRecord | None
    """What the challenger loses to itself on the same rows as they are."""
    most_loss: float | None


class BehaviourFigures(StrictModel):
    """Of which share of the rows a test of behaviour holds, and what the policy asks; None where it cannot be told."""

    name: str
    kind: str
    rows: int
    challenger: float | None
    champion: float | None
    asked: float | None


class RobustnessShown(StrictModel):
    """What became of the rows that were asked again under changed conditions, the rows as they are first."""

    utterances: int
    speakers: int
    measure: str
    conditions: tuple[ConditionShown, ...]
    behaviour: tuple[BehaviourFigures, ...]


class SetFigures(StrictModel):
    """What is shown of one evaluation set; without sound evidence its counts alone."""

    name: str
    digest: str
    counted: bool
    counts: Counts
    leads: tuple[Lead, ...] = ()
    resampled: Resampled | None = None
    measures: tuple[Measured, ...] = ()
    slice_measure: str = ""
    slices: tuple[SliceFigures, ...] = ()
    by_speaker: BySpeaker | None = None
    confusion: Confusion | None = None
    reliability: Reliability | None = None
    durations: tuple[SliceFigures, ...] = ()
    snrs: tuple[SliceFigures, ...] = ()
    gaps: tuple[GapFigures, ...] = ()
    robustness: RobustnessShown | None = None
    traits: tuple[TraitPoint, ...] = ()
    importances: Importances | None = None
    worst: tuple[WorstUtterance, ...] = ()


class Card(StrictModel):
    """The content of `card.json`. It holds no time and no place: the same evidence gives the same bytes."""

    schema_version: Literal[2] = 2
    task: str
    purpose: str
    verdict: Verdict | None
    """None where nobody has judged."""
    reasons: tuple[Reason, ...]
    because: str
    """An approver's word for the first champion; empty otherwise."""
    claim: Claim
    claim_text: str
    policy: PolicyRecord
    policy_content: dict[str, Any]
    """Every number in force."""
    model_digest: str
    evaluation_digest: str
    dataset_digest: str
    champion: Champion | None
    sets: tuple[SetFigures, ...]
    caveats: tuple[str, ...]

    def names(self) -> list[str]:
        """Return the ids of every speaker and utterance the card shows, each once: erasure looks for them."""
        found: set[str] = set()
        for one in self.sets:
            found |= {name for worst in one.worst for name in (worst.utterance_id, worst.speaker_id)}
            found |= {point.speaker_id for point in one.traits}
            found |= {speaker.speaker_id for speaker in (one.by_speaker.speakers if one.by_speaker else ())}
        return sorted(found)
