"""Intervals by what is claimed: of speakers not heard yet, or of further utterances of these."""

from __future__ import annotations

from voxloop.evaluation.intervals import (
    Codes,
    Interval,
    group_interval,
    speaker_interval,
    speaker_lead,
    utterance_interval,
    utterance_lead,
)
from voxloop.evaluation.policy import Claim
from voxloop.evaluation.samples import Sample


def claim_interval(claim: Claim, sample: Sample, *, level: float) -> Interval:
    """Return the interval of the measure of a sample."""
    if claim is Claim.NEW_SPEAKERS:
        return speaker_interval(sample.moments, sample.measure, sample.speakers, level=level)
    return utterance_interval(sample.moments, sample.measure, level=level)


def claim_gap(claim: Claim, sample: Sample, groups: Codes, *, level: float) -> Interval:
    """Return the interval of a contrast between groups; `groups` is the code of that of each row, int64 [n]."""
    return group_interval(
        sample.moments,
        sample.measure,
        sample.speakers,
        groups,
        level=level,
        by_utterance=claim is not Claim.NEW_SPEAKERS,
    )


def claim_lead(claim: Claim, ours: Sample, theirs: Sample, *, level: float) -> Interval:
    """Return the interval of the lead of one sample over another of the same rows: above 0 the first is better."""
    if claim is Claim.NEW_SPEAKERS:
        return speaker_lead(ours.moments, theirs.moments, ours.measure, ours.speakers, level=level)
    return utterance_lead(ours.moments, theirs.moments, ours.measure, level=level)
